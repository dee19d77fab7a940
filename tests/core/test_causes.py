"""Why a provider failed a batch: its copy of the input, the deployment, or the content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.causes import Cause, cause_of
from litebatch_asgi.models import BatchError

COPY = [
    # OpenAI
    BatchError(
        code="invalid_request",
        param="file_id",
        message="Cannot find file file-1, or organization org-1 does not have access to it.",
    ),
    BatchError(code="invalid_request", param="file_id"),
    BatchError(line=0, param="input_file_id", message="Cannot find file file-1."),
    # OGX and Llama Stack
    BatchError(code="invalid_request", param="input_file_id", message="Cannot find file file-1."),
    # AIBrix
    BatchError(code="invalid_input_file", message="input file not found"),
    # vLLM's batch server
    BatchError(message="Input file not found"),
    # Azure
    BatchError(
        code="invalid_request",
        message="The input file 'file-1' is in 'pending' state. Only files with status 'Processed' are",
    ),
    BatchError(code="invalid_input_file", param="input_file_id", message="No such File object: file-1"),
    BatchError(param="input_file_id", message="The file has expired."),
    BatchError(param="input_file_id", message="File file-1 was deleted"),
    BatchError(param="input_file_id", message="file-1 does not exist"),
    BatchError(param="input_file_id", message="file-1 could not be found"),
]
ROOM = [
    BatchError(code="token_limit_exceeded", message="Enqueued token limit reached for M in organization O."),
    BatchError(code="Token_Limit_Exceeded"),
    BatchError(code="insufficient_quota", line=3),
    BatchError(code="rate_limit_exceeded"),
    BatchError(code="billing_hard_limit_reached"),
    BatchError(code="invalid_request", message="The number of enqueued tokens has surpassed the limit"),
    BatchError(message="token_limit_exceeded: try again later"),
    # Vertex AI
    BatchError(code="RESOURCE_EXHAUSTED", message="Quota exceeded for the batch requests of M."),
]
GOOGLES = [
    BatchError(code="PERMISSION_DENIED", message="The service agent has no permission to access gs://b/in."),
    BatchError(code="FAILED_PRECONDITION", message="The bucket does not exist."),
    BatchError(code="NOT_FOUND", message="The endpoint was not found."),
    BatchError(code="INTERNAL", message="Internal error. Try again."),
    BatchError(code="UNKNOWN"),
]
MODEL = [
    BatchError(code="model_not_found", param="body.model", message="Not supported by the Batch API."),
    BatchError(code="model_not_found", line=7),
    # Vertex AI: a file that its import does not take
    BatchError(code="INVALID_ARGUMENT", message="Failed to import data. Rows: 1; errors: 1."),
]
CONTENT = [
    BatchError(),
    BatchError(code="invalid_json_line", line=1, message="This line is not parseable as valid JSON."),
    BatchError(code="duplicate_custom_id", line=2, param="custom_id"),
    BatchError(code="mismatched_model", line=2, param="body.model"),
    BatchError(
        code="invalid_input_file", param="input_file", line=42, message="Input file contains invalid JSON"
    ),
    BatchError(code="invalid_input_file", param="input_file_id", message="The input file is empty."),
    BatchError(param="input_file_id", message="Invalid file format for Batch API. Must be .jsonl"),
    BatchError(param="input_file_id", message="File is too large."),
    BatchError(param="input_file_id", message="The file is not valid JSONL"),
    BatchError(param="input_file_id", message="Expected a file with purpose 'batch'."),
    BatchError(line=3, message="Cannot find file file-1."),
    BatchError(line=3, param="file_id", message="Cannot find file file-1."),
    BatchError(param="body.messages", message="Cannot find file cat.png."),
    BatchError(line=3, message="Say enqueued token limit."),
    BatchError(code="invalid_request", message="Invalid value: '/v1/x'."),
    BatchError(code="invalid_argument", message="names in lower case are not Google's"),
    BatchError(code="permission_denied"),
]


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        *((errors, Cause.COPY) for errors in COPY),
        *((errors, Cause.DEPLOYMENT) for errors in (*ROOM, *MODEL, *GOOGLES)),
        *((errors, Cause.CONTENT) for errors in CONTENT),
    ],
)
def test_each_error_has_one_cause(errors: BatchError, cause: Cause) -> None:
    assert cause_of([errors], others_left=True) is cause


@pytest.mark.parametrize("error", MODEL)
def test_what_no_other_deployment_is_left_for_is_the_contents_fault(error: BatchError) -> None:
    assert cause_of([error], others_left=False) is Cause.CONTENT


@pytest.mark.parametrize("error", [*COPY, *ROOM, *GOOGLES, *CONTENT])
def test_other_causes_do_not_depend_on_what_is_left(error: BatchError) -> None:
    assert cause_of([error], others_left=False) is cause_of([error], others_left=True)


def test_without_a_word_it_is_the_content() -> None:
    assert cause_of([], others_left=True) is Cause.CONTENT


some = st.sampled_from([*COPY, *ROOM, *MODEL, *GOOGLES])


@given(errors=st.lists(some, min_size=1), wrong=st.sampled_from(CONTENT), data=st.data())
def test_one_error_of_the_content_is_enough(
    errors: list[BatchError], wrong: BatchError, data: st.DataObject
) -> None:
    errors.insert(data.draw(st.integers(0, len(errors))), wrong)
    assert cause_of(errors, others_left=True) is Cause.CONTENT


@given(errors=st.lists(some, min_size=1), others_left=st.booleans())
def test_several_causes_are_the_deployments(errors: list[BatchError], others_left: bool) -> None:
    each = {cause_of([error], others_left=others_left) for error in errors}
    together = each.pop() if len(each) == 1 else Cause.CONTENT if Cause.CONTENT in each else Cause.DEPLOYMENT
    assert cause_of(errors, others_left=others_left) is together


texts = st.none() | st.text(max_size=40) | st.sampled_from(["file_id", "input_file_id", "model_not_found"])


@given(
    st.lists(
        st.builds(BatchError, code=texts, param=texts, message=texts, line=st.none() | st.integers(0, 50_000))
    ),
    st.booleans(),
)
def test_every_list_of_errors_has_a_cause(errors: list[BatchError], others_left: bool) -> None:
    assert cause_of(errors, others_left=others_left) in Cause


def test_long_texts_are_looked_through_in_no_time() -> None:
    long = BatchError(param="input_file_id", message="input file " * 200_000)
    assert cause_of([long] * 10, others_left=True) is Cause.CONTENT
