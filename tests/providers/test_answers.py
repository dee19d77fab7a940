"""What statuses and error bodies mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.providers._answers import answered_with, read_complaint


def openai_error(code: object = None, message: object = "no", **more: object) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "code": code, "param": None, **more}})


def means(status: int, body: bytes = b"", *, names_object: bool = False) -> type[ProviderError]:
    return type(answered_with(status, {}, body, names_object=names_object))


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, ContentRefused),
        (401, DeploymentRefused),
        (402, DeploymentRefused),
        (403, DeploymentRefused),
        (404, DeploymentRefused),
        (405, DeploymentRefused),
        (407, DeploymentRefused),
        (408, NoClearAnswer),
        (409, ContentRefused),
        (410, DeploymentRefused),
        (413, ContentRefused),
        (415, ContentRefused),
        (422, ContentRefused),
        (429, DeploymentRefused),
        (500, ProviderBusy),
        (501, NoClearAnswer),
        (502, NoClearAnswer),
        (503, ProviderBusy),
        (504, NoClearAnswer),
        (520, NoClearAnswer),
        (524, NoClearAnswer),
        (529, ProviderBusy),
        (301, DeploymentRefused),
        (302, NoClearAnswer),
        (303, NoClearAnswer),
        (307, DeploymentRefused),
        (308, DeploymentRefused),
    ],
)
@pytest.mark.parametrize("body", [b"", openai_error(), b"<html>so</html>"])
def test_each_status_has_one_meaning_whatever_the_body(
    status: int, meaning: type[ProviderError], body: bytes
) -> None:
    assert means(status, body) is meaning


@pytest.mark.parametrize("status", [404, 410])
def test_a_named_object_that_is_gone_is_not_the_deployments_fault(status: int) -> None:
    assert means(status, names_object=True) is ProviderNotFound


@pytest.mark.parametrize("status", [400, 409, 413, 422])
@pytest.mark.parametrize(
    "body",
    [
        openai_error("token_limit_exceeded"),
        openai_error("Token_Limit_Exceeded"),
        openai_error("insufficient_quota"),
        openai_error("billing_hard_limit_reached"),
        openai_error(None, "no", type="insufficient_quota"),
        openai_error(None, "token_limit_exceeded: try again later"),
        openai_error(None, "Enqueued token limit reached for gpt-4o in organization org-1. Limit: 5"),
        openai_error(
            None,
            "The number of enqueued tokens has surpassed the configured limit of 30K for the deployment 'D'.",
        ),
        openai_error("quotaExceeded"),
        msgspec.json.encode({"code": "token_limit_exceeded"}),
        msgspec.json.encode({"error": "token_limit_exceeded"}),
        msgspec.json.encode([{"error": {"code": "token_limit_exceeded"}}]),
    ],
)
def test_a_quota_is_the_deployments_and_not_the_contents(status: int, body: bytes) -> None:
    assert means(status, body) is DeploymentRefused


@pytest.mark.parametrize(
    "message",
    [
        "Cannot find file file-1, or organization org-1 does not have access to it.",
        "No such File object: file-1",
        "Input file file-1 not found",
        "The input file 'file-1' is in 'pending' state. Only files with status 'Processed' are accepted.",
    ],
)
def test_a_copy_that_cannot_be_used_is_the_deployments_fault(message: str) -> None:
    assert means(400, openai_error("invalid_request", message)) is CopyRefused
    assert means(404, openai_error(None, message)) is CopyRefused


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
@pytest.mark.parametrize(
    "body",
    [
        openai_error("invalid_input_file", "Cannot find file file-1.", param="input_file_id"),
        openai_error("invalid_input_file", "file-1 does not exist", param="input_file_id"),
        openai_error("invalid_input_file", "input file not found"),
        msgspec.json.encode({"detail": "Input file file-1 not found"}),
    ],
)
def test_a_copy_may_be_told_by_param_as_well(status: int, body: bytes) -> None:
    assert means(status, body) is CopyRefused


@pytest.mark.parametrize("more", [{"line": 3}, {"param": "body.messages"}])
def test_a_file_that_a_request_names_is_no_copy(more: dict[str, object]) -> None:
    assert means(400, openai_error(None, "Cannot find file cat.png.", **more)) is ContentRefused


@pytest.mark.parametrize(
    "message",
    ["Invalid file format for Batch API. Must be .jsonl", "File is too large.", "Invalid value: '/v1/x'."],
)
def test_other_words_about_files_are_about_the_content(message: str) -> None:
    assert means(400, openai_error(None, message)) is ContentRefused


def test_a_code_that_repeats_the_status_is_none() -> None:
    error = answered_with(400, {}, openai_error("400", "Bad request."), names_object=False)
    assert (error.code, error.message) == (None, "Bad request.")


def test_an_error_carries_what_the_provider_said() -> None:
    body = openai_error("invalid_value", "Invalid value: '/v1/x'.", param="endpoint")
    error = answered_with(400, {"retry-after": "7"}, body, names_object=False)
    assert (error.status, error.code, error.param, error.retry_after) == (
        400,
        "invalid_value",
        "endpoint",
        7.0,
    )


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, openai_error("invalid_value", "Invalid value."), "Invalid value."),
        (400, b"", "the provider answered 400"),
        (
            401,
            openai_error("invalid_api_key", "No key."),
            "the provider answered 401 invalid_api_key: No key.",
        ),
        (502, b"<html>", "the provider answered 502"),
        (404, b'{"error":{"code":"404","message":"Gone"}}', "the provider answered 404: Gone"),
        (429, openai_error("slow_down", ""), "the provider answered 429 slow_down"),
    ],
)
def test_a_message_says_who_answered_unless_it_is_about_the_content(
    status: int, body: bytes, message: str
) -> None:
    assert answered_with(status, {}, body, names_object=False).message == message


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"error":{"code":"404","message":"Resource not found"}}', "404", "Resource not found"),
        (b'{"error":{"code":404,"message":"Resource not found"}}', "404", "Resource not found"),
        (b'{"statusCode":401,"message":"Access denied"}', None, "Access denied"),
        (b'{"error":"Model is gone"}', None, "Model is gone"),
        (b'{"error":""}', None, None),
        (b'{"error":null,"message":"so"}', None, "so"),
        (b'{"error":["a",1]}', None, '["a",1]'),
        (b'{"detail":"Invalid API Key"}', None, "Invalid API Key"),
        (b'{"detail":[{"loc":["body",0],"msg":"bad","input":"words"}]}', None, "body[0]: bad"),
        (b'{"error":{"message":{"nested":true}}}', None, '{"nested":true}'),
        (b'[{"error":{"code":403,"message":"no"}}]', "403", "no"),
        (b"[]", None, None),
        (b"null", None, None),
        (b"3", None, "3"),
        (b'"just text"', None, "just text"),
        (b"upstream connect error", None, "upstream connect error"),
        (b"<!DOCTYPE html><html>502</html>", None, None),
        (b"", None, None),
        (b"\xff\xfe", None, "\ufffd\ufffd"),
        (b"[" * 60_000, None, "[" * 60_000),
    ],
)
def test_error_bodies_of_all_kinds_are_read(body: bytes, code: str | None, message: str | None) -> None:
    complaint = read_complaint(body)
    assert (complaint.code, complaint.message) == (code, message)


@given(status=st.integers(300, 599), body=st.binary(max_size=200), names_object=st.booleans())
def test_no_body_breaks_the_reading(status: int, body: bytes, names_object: bool) -> None:
    assert answered_with(status, {}, body, names_object=names_object).status == status


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "detail", "type", "param"]), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_breaks_the_reading(content: object) -> None:
    assert means(400, msgspec.json.encode(content)) in (ContentRefused, CopyRefused, DeploymentRefused)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "0.5"}, 1.0),
        ({"retry-after": "-1"}, 1.0),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "1e300"}, 3600.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({"retry-after-ms": "2500", "retry-after": "9"}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 1.0),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-nan"}, None),
        ({"retry-after": "1 Jan 2020 00:00:00 +99999999999999"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 1.0),
        ({"retry-after": "Wed, 21 Oct 9015 07:28:00 GMT"}, 3600.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert answered_with(429, headers, b"", names_object=False).retry_after == seconds


@given(st.integers(2, 3_598))
def test_retry_after_may_be_a_date(distance: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=distance), usegmt=True)
    seconds = answered_with(429, {"retry-after": date}, b"", names_object=False).retry_after
    assert seconds is not None
    assert abs(distance - seconds) < 2


@given(
    name=st.sampled_from(["retry-after", "retry-after-ms"]),
    value=st.text(max_size=30)
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.datetimes().map(lambda moment: format_datetime(moment.replace(tzinfo=UTC), usegmt=True)),
)
def test_whatever_retry_after_says_is_between_a_second_and_an_hour(name: str, value: str) -> None:
    seconds = answered_with(503, {name: value}, b"", names_object=False).retry_after
    assert seconds is None or 1.0 <= seconds <= 3_600.0


@given(st.floats() | st.integers())
def test_no_error_of_a_provider_holds_another_time(seconds: float) -> None:
    """Adapters of other packages raise these errors as well."""
    held = DeploymentRefused("no", retry_after=seconds).retry_after
    assert held is None if math.isnan(seconds) else held is not None and 1.0 <= held <= 3_600.0


def test_no_message_shows_a_key_or_an_address() -> None:
    body = openai_error(
        "invalid_api_key",
        "Incorrect API key provided: sk-abc*****wxyz, the-secret-key.\nSee https://platform.example.com/keys?a=b"
        " or host.example.com",
    )
    error = answered_with(401, {}, body, names_object=False, hidden=("the-secret-key", "host.example.com"))
    assert error.message == (
        "the provider answered 401 invalid_api_key: Incorrect API key provided: [hidden], [hidden]. "
        "See [address] or [hidden]"
    )


def test_a_message_stays_short_and_on_one_line() -> None:
    error = answered_with(400, {}, openai_error(None, "a\r\n\x1b[31m" + "b" * 10_000), names_object=False)
    assert len(error.message) < 600
    assert error.message.isprintable()


DETAIL = [
    {"type": "missing", "loc": ["body", "lines", 3, "body"], "msg": "Field required", "input": "secret"},
    {"type": "string_type", "loc": ["body", "model"], "msg": "Input should be a valid string", "input": 1},
]
WORDS = "body.lines[3].body: Field required; body.model: Input should be a valid string"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Invalid API Key"}, "Invalid API Key"),
        ({"detail": DETAIL}, WORDS),
        ({"object": "error", "message": {"detail": DETAIL}, "type": "invalid_request_error"}, WORDS),
        ({"message": "no", "detail": DETAIL}, "no"),
        ({"detail": ["one", "two"]}, "one; two"),
        ({"detail": {"message": "three"}}, "three"),
        ({"detail": {"reason": "four"}}, '{"reason":"four"}'),
        ({"detail": []}, "[]"),
        ({"error": {"message": "five"}, "detail": "six"}, "five"),
    ],
)
def test_details_of_every_shape_are_told_in_words(body: object, words: str) -> None:
    """Those of FastAPI repeat what was sent, which is nobody's business."""
    assert read_complaint(msgspec.json.encode(body)).message == words
