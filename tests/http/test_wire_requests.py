"""What requests say, and how those that say it wrongly are told so."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import BatchOptions, RowError

BODY: dict[str, Any] = {
    "input_file_id": "file-lb1",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}


def create(**changes: Any) -> wire.CreateBatch:
    return wire.parse_create_batch(msgspec.json.encode(BODY | changes))


def refused(parse: Callable[[], object]) -> tuple[str | None, str | None]:
    """Parameter and code of the refusal."""
    with pytest.raises(InvalidRequest) as caught:
        parse()
    assert caught.value.status == 400
    assert caught.value.message
    return caught.value.param, caught.value.code


def test_the_least_that_makes_a_batch() -> None:
    asked = create()
    assert asked == wire.CreateBatch(
        input_file_id="file-lb1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert asked.metadata is None
    assert asked.output_expires_after is None


def test_everything_that_can_be_asked() -> None:
    expiry = {"anchor": "created_at", "seconds": 2_592_000}
    metadata = {"k" * 64: "v" * 512} | {f"key {number}": "" for number in range(15)}
    asked = create(metadata=metadata, output_expires_after=expiry)
    assert asked.metadata == metadata
    assert asked.output_expires_after == 2_592_000
    assert create(metadata=None, output_expires_after=None) == create()
    assert create(metadata={}).metadata == {}


@pytest.mark.parametrize("endpoint", wire.BATCH_ENDPOINTS)
def test_every_endpoint_is_taken(endpoint: str) -> None:
    assert create(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize("name", BODY)
def test_what_must_be_there(name: str) -> None:
    body = {key: value for key, value in BODY.items() if key != name}
    assert refused(lambda: wire.parse_create_batch(msgspec.json.encode(body))) == (
        name,
        "missing_required_parameter",
    )
    assert refused(lambda: create(**{name: 7})) == (name, "invalid_type")
    assert refused(lambda: create(**{name: None})) == (name, "invalid_type")


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"endpoint": "/v1/x"}, "endpoint", "invalid_value"),
        ({"endpoint": "/chat/completions"}, "endpoint", "invalid_value"),
        ({"completion_window": "soon"}, "completion_window", "invalid_value"),
        ({"x": 1}, "x", "unknown_parameter"),
        ({"model": "gpt-4o"}, "model", "unknown_parameter"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type"),
        ({"metadata": {"n": 1}}, "metadata.n", "invalid_type"),
        ({"metadata": {"n": None}}, "metadata.n", "invalid_type"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        ({"metadata": {"k": "nul\0"}}, "metadata.k", "invalid_value"),
        ({"metadata": {"k" * 65: "v"}}, "metadata", "invalid_metadata_key"),
        ({"metadata": {"nul\0": "v"}}, "metadata", "invalid_metadata_key"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"output_expires_after": 3600}, "output_expires_after", "invalid_type"),
        ({"output_expires_after": {}}, "output_expires_after.anchor", "missing_required_parameter"),
        (
            {"output_expires_after": {"anchor": "created_at"}},
            "output_expires_after.seconds",
            "missing_required_parameter",
        ),
        (
            {"output_expires_after": {"anchor": "now", "seconds": 3600}},
            "output_expires_after.anchor",
            "invalid_value",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 3599}},
            "output_expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 2_592_001}},
            "output_expires_after.seconds",
            "integer_above_max_value",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 3600.5}},
            "output_expires_after.seconds",
            "invalid_type",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": True}},
            "output_expires_after.seconds",
            "invalid_type",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 3600, "x": 1}},
            "output_expires_after.x",
            "unknown_parameter",
        ),
    ],
)
def test_what_a_batch_cannot_be_made_of(changes: dict[str, Any], param: str, code: str) -> None:
    assert refused(lambda: create(**changes)) == (param, code)


@pytest.mark.parametrize(
    ("given", "dollars"),
    [
        ({"max_cost": "1.50"}, "1.50"),
        ({"max_cost": 1.5}, "1.5"),
        ({"max_cost": 2}, "2"),
        ({"max_cost": 0}, "0"),
        ({"max_cost": 0.1}, "0.1"),
        ({"max_cost": "0.000000000000000000000000000001"}, "1e-30"),
        ({"max_cost": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_a_batch_may_cost(given: Any, dollars: str | None) -> None:
    assert create(litebatch=given).max_cost == (None if dollars is None else Decimal(dollars))


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"rescue": False}, BatchOptions(rescue=False)),
        ({"row_retries": 0, "at_expiry": "stop"}, BatchOptions(row_retries=0, at_expiry="stop")),
        ({"row_retries": 2.0}, BatchOptions(row_retries=2)),
        ({"rescue": True, "max_cost": 1}, BatchOptions(rescue=True)),
        ({"canary": 5}, BatchOptions(canary=5)),
        ({"canary": 0}, BatchOptions(canary=0)),
        ({"rescue": None, "row_retries": None, "at_expiry": None}, None),
        ({"max_cost": 1}, None),
    ],
)
def test_what_a_batch_does_in_its_own_way(given: dict[str, Any], options: BatchOptions | None) -> None:
    assert create(litebatch=given).options == options


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"rescue": 0}, "litebatch.rescue"),
        ({"row_retries": 1.0}, "litebatch.row_retries"),
        ({"at_expiry": "never"}, "litebatch.at_expiry"),
        ({"canary": -1}, "litebatch.canary"),
    ],
)
def test_in_process_they_are_checked_as_well(changes: dict[str, Any], param: str) -> None:
    assert refused(lambda: wire.CreateBatch(**BODY, **changes))[0] == param


@pytest.mark.parametrize("most", [1.5, Decimal("NaN"), Decimal(-1), Decimal("1e10"), "1"])
def test_in_process_it_is_a_decimal(most: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^Invalid 'litebatch\.max_cost': a number of dollars"):
        wire.CreateBatch(**BODY, max_cost=most)


def test_refusals_are_worded_as_openai_does() -> None:
    with pytest.raises(InvalidRequest, match=r"'litebatch\.cost'\. Did you mean 'litebatch\.max_cost'\?$"):
        create(litebatch={"cost": 1})
    with pytest.raises(InvalidRequest, match="expected a string, but got an array instead"):
        create(metadata={"tags": []})


def test_a_refusal_does_not_repeat_everything() -> None:
    with pytest.raises(InvalidRequest) as caught:
        create(endpoint="x" * 100_000)
    assert len(caught.value.message) < 1000
    with pytest.raises(InvalidRequest) as caught:
        create(**{"x" * 100_000: 1})
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{} {}",
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"input_file_id=file-lb1",
    ],
)
def test_a_body_that_is_no_json_object(body: bytes) -> None:
    param, _ = refused(lambda: wire.parse_create_batch(body))
    assert param is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*BODY, "metadata", "output_expires_after"]), json_values))
def test_any_body_is_taken_or_refused(changes: dict[str, Any]) -> None:
    try:
        body = msgspec.json.encode(BODY | changes)
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8
        return
    with suppress(InvalidRequest):
        wire.parse_create_batch(body)


def test_lists_without_a_query() -> None:
    files = wire.parse_file_list_query([])
    assert (files.limit, files.after, files.order, files.purpose) == (10_000, None, "desc", None)
    batches = wire.parse_batch_list_query([])
    assert (batches.limit, batches.after, batches.target_model_names) == (20, None, ())


def test_what_has_no_value_is_not_given() -> None:
    """Source: openai-node sends null as an empty value, `?limit=&after=`."""
    names = ("limit", "after", "order", "purpose", "target_model_names", "owner")
    assert wire.parse_file_list_query([(name, "") for name in names]) == wire.FileListQuery()
    assert wire.parse_batch_list_query([(name, "") for name in names]) == wire.BatchListQuery()
    assert wire.parse_file_list_query([("limit", "5"), ("limit", "")]) == wire.FileListQuery()


def test_an_integer_may_be_written_with_a_point() -> None:
    """As in JSON Schema, where 10.0 is an integer."""
    assert wire.parse_batch_list_query([("limit", "10.0")]).limit == 10
    form = wire.parse_upload_form(
        [
            ("purpose", "batch"),
            ("expires_after[anchor]", "created_at"),
            ("expires_after[seconds]", "3600.00"),
        ]
    )
    assert form.expires_after_seconds == 3600
    body = {
        "input_file_id": "file-x",
        "endpoint": "/v1/embeddings",
        "completion_window": "24h",
        "output_expires_after": {"anchor": "created_at", "seconds": 36431.0},
    }
    asked = wire.parse_create_batch(json.dumps(body).encode())
    assert (asked.output_expires_after, type(asked.output_expires_after)) == (36431, int)


def test_lists_with_everything() -> None:
    files = wire.parse_file_list_query(
        [
            ("limit", "10000"),
            ("after", "file-lb1"),
            ("order", "asc"),
            ("purpose", "batch_output"),
            ("target_model_names", "a, b"),
            ("unknown", "is passed over"),
        ]
    )
    assert files == wire.FileListQuery(
        limit=10_000, after="file-lb1", order="asc", purpose="batch_output", target_model_names=("a", "b")
    )
    batches = wire.parse_batch_list_query(
        [("limit", "100"), ("after", "batch_lb1"), ("target_model_names[]", "a")]
    )
    assert batches == wire.BatchListQuery(limit=100, after="batch_lb1", target_model_names=("a",))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (("limit", "0"), "limit"),
        (("limit", "-1"), "limit"),
        (("limit", "101"), "limit"),
        (("limit", "10.5"), "limit"),
        (("limit", "10."), "limit"),
        (("limit", "ten"), "limit"),
        (("limit", "9" * 5000), "limit"),
        (("limit", "١٠"), "limit"),  # noqa: RUF001 - digits, but not ours
        (("after", "batch_lb1\0"), "after"),
        (("target_model_names", "a\0"), "target_model_names"),
        (("target_model_names", "a" * 257), "target_model_names"),
        (("target_model_names", ",".join(map(str, range(101)))), "target_model_names"),
        (("target_model_names", 100 * ","), "target_model_names"),
        (("target_model_names", "a\t"), "target_model_names"),
    ],
)
def test_what_cannot_be_asked_of_a_list(query: tuple[str, str], param: str) -> None:
    assert refused(lambda: wire.parse_batch_list_query([query]))[0] == param


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (("limit", "10001"), "limit"),
        (("order", "newest"), "order"),
        (("purpose", "fun"), "purpose"),
        (("purpose", "batch\0"), "purpose"),
    ],
)
def test_what_cannot_be_asked_of_a_list_of_files(query: tuple[str, str], param: str) -> None:
    assert refused(lambda: wire.parse_file_list_query([query]))[0] == param


@pytest.mark.parametrize("name", ["\n", "azure\n", "\tazure", "a" * 65])
def test_what_can_be_no_provider_is_refused_wherever_it_is_named(name: str) -> None:
    """What is around a name is dropped if it is spaces; nothing else that is not seen is."""
    query = wire.namings(None, None, [("custom_llm_provider", name)])
    form = [("purpose", "batch"), ("custom_llm_provider", name)]
    for parse in (
        lambda: wire.named_provider(query),
        lambda: wire.parse_upload_form(form),
        lambda: create(custom_llm_provider=name),
    ):
        assert refused(parse)[0] == "custom_llm_provider"
    spaced = wire.namings(None, " azure ", [("provider", "  ")])
    assert wire.named_provider(spaced, " azure") == "azure"


def test_the_least_that_comes_with_a_file() -> None:
    assert wire.parse_upload_form([("purpose", "batch")]) == wire.UploadForm(purpose="batch")


def test_models_are_named_in_many_ways_and_all_count() -> None:
    fields = [
        ("purpose", "batch"),
        ("target_model_names", "a, b"),
        ("target_model_names", "c"),
        ("target_model_names[]", "d"),
        ("target_model_names[]", "a"),
        ("target_model_names", " , "),
    ]
    form = wire.parse_upload_form(fields, [("target_model_names", "e,f"), ("purpose", "x")], "g,e")
    assert form.target_model_names == ("a", "b", "c", "d", "e", "f", "g")
    assert form.purpose == "batch"


@pytest.mark.parametrize("spelling", ["expires_after[{}]", "expires_after.{}"])
def test_expiry_is_spelled_in_two_ways(spelling: str) -> None:
    fields = [
        (spelling.format("seconds"), "3600"),
        ("purpose", "user_data"),
        (spelling.format("anchor"), "created_at"),
        ("custom_llm_provider", "is passed over"),
    ]
    form = wire.parse_upload_form(fields)
    assert (form.purpose, form.expires_after_seconds) == ("user_data", 3600)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ([], "purpose", "missing_required_parameter"),
        ([("purpose", "batch_output")], "purpose", "invalid_value"),
        ([("purpose", "")], "purpose", "invalid_value"),
        ([("purpose", "batch"), ("purpose", "batch")], "purpose", "invalid_value"),
        (
            [("purpose", "batch"), ("expires_after[seconds]", "3600")],
            "expires_after.anchor",
            "missing_required_parameter",
        ),
        (
            [("purpose", "batch"), ("expires_after[anchor]", "created_at")],
            "expires_after.seconds",
            "missing_required_parameter",
        ),
        (
            [
                ("purpose", "batch"),
                ("expires_after[anchor]", "created_at"),
                ("expires_after[seconds]", "3599"),
            ],
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            [
                ("purpose", "batch"),
                ("expires_after[anchor]", "created_at"),
                ("expires_after[seconds]", "soon"),
            ],
            "expires_after.seconds",
            "invalid_type",
        ),
        (
            [
                ("purpose", "batch"),
                ("expires_after[seconds]", "3600"),
                ("expires_after.seconds", "3600"),
            ],
            "expires_after.seconds",
            "invalid_value",
        ),
    ],
)
def test_what_cannot_come_with_a_file(fields: list[tuple[str, str]], param: str, code: str) -> None:
    assert refused(lambda: wire.parse_upload_form(fields)) == (param, code)


def choice(**body: Any) -> wire.LineChoice | None:
    return wire.parse_retry_batch(msgspec.json.encode(body)).choice


def test_a_retry_may_name_its_requests() -> None:
    assert choice() is None
    assert choice(custom_ids=None, errors=None) is None
    assert choice(custom_ids=["a", "b", "a", ""]) == wire.LineChoice(custom_ids=frozenset({"a", "b", ""}))
    assert choice(errors=[{"status": 429, "message": "try in 3s"}, {"code": None}]) == wire.LineChoice(
        errors=(RowError(status=429, message="try in #"), RowError())
    )
    in_process = wire.RetryBatch(custom_ids=("a",), errors=(RowError(message="try in 7s"),)).choice
    assert in_process == choice(custom_ids=["a"], errors=[{"message": "try in 3s"}])


WRONG_CHOICES: list[tuple[dict[str, Any], str, str]] = [
    ({"custom_ids": "a"}, "custom_ids", "invalid_type"),
    ({"custom_ids": []}, "custom_ids", "invalid_value"),
    ({"custom_ids": ["a"] * 10_001}, "custom_ids", "invalid_value"),
    ({"custom_ids": ["a", 1]}, "custom_ids", "invalid_type"),
    ({"errors": {}}, "errors", "invalid_type"),
    ({"errors": []}, "errors", "invalid_value"),
    ({"errors": [{}] * 101}, "errors", "invalid_value"),
    ({"errors": ["server_error"]}, "errors[0]", "invalid_type"),
    ({"errors": [{}, {"kode": "a"}]}, "errors[1].kode", "unknown_parameter"),
    ({"errors": [{"status": "429"}]}, "errors[0].status", "invalid_type"),
    ({"errors": [{"status": True}]}, "errors[0].status", "invalid_type"),
    ({"errors": [{"status": 1000}]}, "errors[0].status", "integer_above_max_value"),
    ({"errors": [{"code": 429}]}, "errors[0].code", "invalid_type"),
    ({"errors": [{"code": "x" * 201}]}, "errors[0].code", "string_above_max_length"),
    ({"errors": [{"message": "x" * 4_001}]}, "errors[0].message", "string_above_max_length"),
]


@pytest.mark.parametrize(("body", "param", "code"), WRONG_CHOICES)
def test_requests_that_a_retry_may_not_name(body: dict[str, Any], param: str, code: str) -> None:
    assert refused(lambda: choice(**body)) == (param, code)


def test_errors_that_only_a_call_in_process_can_name_wrongly() -> None:
    wrong: Any = {"code": "a"}
    assert refused(lambda: wire.RetryBatch(errors=[wrong])) == ("errors[0]", "invalid_type")
    half = RowError(message="\ud800")
    assert refused(lambda: wire.RetryBatch(errors=[half])) == ("errors[0].message", "invalid_value")
