"""Batches that nobody can make: each wrong key is named, and no job is begun."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.badinput.probe import CALLER, OTHER, PURPOSE, Probe, a_line, create_batch, error_of
from tests.harness import ENDPOINT, MODEL
from tests.http.forms import field, file, form
from tests.http.sockets import chunked, head

WRONG: list[Any] = [None, True, 7, 1.5, "text", "", ["a"], [], {"a": 1}, {}]
EXPIRY = {"anchor": "created_at", "seconds": 3600}


@pytest.fixture(scope="module")
async def body(probe: Probe) -> dict[str, Any]:
    """A body that would make a batch."""
    made = await probe.accepts(form(PURPOSE, file(a_line())))
    return {"input_file_id": made["id"], "endpoint": ENDPOINT, "completion_window": "24h"}


CHANGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown endpoint": ({"endpoint": "/v1/nope"}, "endpoint", "invalid_value"),
    "endpoint without /v1": ({"endpoint": "/chat/completions"}, "endpoint", "invalid_value"),
    "endless endpoint": ({"endpoint": "/" * 100_000}, "endpoint", "invalid_value"),
    "another endpoint than the lines": ({"endpoint": "/v1/responses"}, "endpoint", "invalid_url"),
    "another window": ({"completion_window": "1h"}, "completion_window", "invalid_value"),
    "window in seconds": ({"completion_window": "86400"}, "completion_window", "invalid_value"),
    "unknown key": ({"model": MODEL}, "model", "unknown_parameter"),
    "empty key": ({"": 1}, "", "unknown_parameter"),
    "endless key": ({"x" * 100_000: 1}, "x" * 200, "unknown_parameter"),
    "key in capitals": ({"Metadata": {}}, "Metadata", "unknown_parameter"),
    "too much metadata": (
        {"metadata": {str(n): "" for n in range(17)}},
        "metadata",
        "object_above_max_properties",
    ),
    "very much metadata": (
        {"metadata": {str(n): "" for n in range(5000)}},
        "metadata",
        "object_above_max_properties",
    ),
    "long metadata key": ({"metadata": {"k" * 65: "v"}}, "metadata", "invalid_metadata_key"),
    "NUL in a metadata key": ({"metadata": {"\0": "v"}}, "metadata", "invalid_metadata_key"),
    "long metadata value": ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    "NUL in a metadata value": ({"metadata": {"k": "\0"}}, "metadata.k", "invalid_value"),
    "nested metadata": ({"metadata": {"a": {"b": "c"}}}, "metadata.a", "invalid_type"),
    "metadata with a list": ({"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type"),
    "metadata with a number": ({"metadata": {"n": 1}}, "metadata.n", "invalid_type"),
    "metadata with null": ({"metadata": {"n": None}}, "metadata.n", "invalid_type"),
    "metadata with true": ({"metadata": {"n": True}}, "metadata.n", "invalid_type"),
    "options of another kind": ({"litebatch": ["max_cost"]}, "litebatch", "invalid_type"),
    "unknown option": ({"litebatch": {"rescues": 1}}, "litebatch.rescues", "unknown_parameter"),
    "negative max_cost": ({"litebatch": {"max_cost": -0.01}}, "litebatch.max_cost", "invalid_value"),
    "endless max_cost": ({"litebatch": {"max_cost": 1e300}}, "litebatch.max_cost", "invalid_value"),
    "max_cost with an exponent": ({"litebatch": {"max_cost": "1e3"}}, "litebatch.max_cost", "invalid_value"),
    "max_cost in words": ({"litebatch": {"max_cost": "NaN"}}, "litebatch.max_cost", "invalid_value"),
    "max_cost true": ({"litebatch": {"max_cost": True}}, "litebatch.max_cost", "invalid_type"),
    "max_cost in a list": ({"litebatch": {"max_cost": ["1"]}}, "litebatch.max_cost", "invalid_type"),
    **{
        f"rescue is {wrong!r}": ({"litebatch": {"rescue": wrong}}, "litebatch.rescue", "invalid_type")
        for wrong in (1, "true", ["true"])
    },
    **{
        f"row_retries are {wrong!r}": (
            {"litebatch": {"row_retries": wrong}},
            "litebatch.row_retries",
            "invalid_type",
        )
        for wrong in (True, 1.5, "1", [1])
    },
    "negative row_retries": (
        {"litebatch": {"row_retries": -1}},
        "litebatch.row_retries",
        "integer_below_min_value",
    ),
    "too many row_retries": (
        {"litebatch": {"row_retries": 11}},
        "litebatch.row_retries",
        "integer_above_max_value",
    ),
    **{
        f"canary is {wrong!r}": ({"litebatch": {"canary": wrong}}, "litebatch.canary", "invalid_type")
        for wrong in (True, 1.5, "1", [1])
    },
    "negative canary": ({"litebatch": {"canary": -1}}, "litebatch.canary", "integer_below_min_value"),
    "too large canary": ({"litebatch": {"canary": 1001}}, "litebatch.canary", "integer_above_max_value"),
    "canary without a live deployment": ({"litebatch": {"canary": 1}}, "litebatch.canary", "invalid_value"),
    "another at_expiry": ({"litebatch": {"at_expiry": "go"}}, "litebatch.at_expiry", "invalid_value"),
    "at_expiry true": ({"litebatch": {"at_expiry": True}}, "litebatch.at_expiry", "invalid_type"),
    "empty expiry": (
        {"output_expires_after": {}},
        "output_expires_after.anchor",
        "missing_required_parameter",
    ),
    "expiry without seconds": (
        {"output_expires_after": {"anchor": "created_at"}},
        "output_expires_after.seconds",
        "missing_required_parameter",
    ),
    "expiry with another anchor": (
        {"output_expires_after": EXPIRY | {"anchor": "completed_at"}},
        "output_expires_after.anchor",
        "invalid_value",
    ),
    "expiry with something else": (
        {"output_expires_after": EXPIRY | {"x": 1}},
        "output_expires_after.x",
        "unknown_parameter",
    ),
    "expiry too soon": (
        {"output_expires_after": EXPIRY | {"seconds": 3599}},
        "output_expires_after.seconds",
        "integer_below_min_value",
    ),
    "expiry too late": (
        {"output_expires_after": EXPIRY | {"seconds": 2_592_001}},
        "output_expires_after.seconds",
        "integer_above_max_value",
    ),
    "expiry far too late": (
        {"output_expires_after": EXPIRY | {"seconds": 10**30}},
        "output_expires_after.seconds",
        "integer_above_max_value",
    ),
    **{
        f"seconds are {wrong!r}": (
            {"output_expires_after": EXPIRY | {"seconds": wrong}},
            "output_expires_after.seconds",
            "invalid_type",
        )
        for wrong in (None, True, 3600.5, "3600", [3600], {"a": 1})
    },
    **{
        f"anchor is {wrong!r}": (
            {"output_expires_after": EXPIRY | {"anchor": wrong}},
            "output_expires_after.anchor",
            "invalid_type",
        )
        for wrong in (None, True, 7, ["created_at"], {"a": 1})
    },
    **{
        f"{name} is {wrong!r}": ({name: wrong}, name, "invalid_type")
        for name in ("input_file_id", "endpoint", "completion_window")
        for wrong in WRONG
        if not isinstance(wrong, str)
    },
    **{
        f"{name} is {wrong!r}": ({name: wrong}, name, "invalid_type")
        for name in ("metadata", "output_expires_after")
        for wrong in WRONG
        if wrong is not None and not isinstance(wrong, dict)
    },
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_body_that_asks_for_the_wrong_thing(probe: Probe, body: dict[str, Any], kind: str) -> None:
    changes, param, code = CHANGES[kind]
    error = await probe.refuses(create_batch(json.dumps(body | changes).encode()))
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize("name", ["input_file_id", "endpoint", "completion_window"])
async def test_what_must_be_there(probe: Probe, body: dict[str, Any], name: str) -> None:
    rest = {key: value for key, value in body.items() if key != name}
    error = await probe.refuses(create_batch(json.dumps(rest).encode()))
    assert (error["param"], error["code"]) == (name, "missing_required_parameter")


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"input_file_id=file-x",
    "cut off": b'{"input_file_id": "file-',
    "two objects": b"{}{}",
    "an array": b"[]",
    "a string": b'"{}"',
    "a number": b"1",
    "null": b"null",
    "NaN": b'{"metadata": NaN}',
    "trailing comma": b'{"endpoint": "/v1/responses",}',
    "single quotes": b"{'endpoint': '/v1/responses'}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"endpoint": "/v1/responses"}'.encode("utf-16"),
    "invalid UTF-8": b'{"input_file_id": "\xff"}',
    "half a surrogate pair": b'{"input_file_id": "\\ud800"}',
    "NUL": b'{"input_file_id": "a"}\0',
    "deep arrays": b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"metadata": ' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}",
    "open brackets": b"[" * 200_000,
    "a multipart form": form(PURPOSE),
    "huge": b'{"metadata": {"k": "' + b"v" * 300_000 + b'"}}',
    "huge and blank": b" " * 300_000,
    "a huge number": b'{"output_expires_after": {"anchor": "created_at", "seconds": '
    + b"9" * 100_000
    + b"}}",
}


@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_that_is_no_object(probe: Probe, kind: str) -> None:
    error = await probe.refuses(create_batch(BODIES[kind]))
    assert error["param"] in (None, "endpoint")


async def test_a_huge_body_of_unknown_length(probe: Probe) -> None:
    request = head("POST", "/v1/batches", authorization=f"Bearer {CALLER}", transfer_encoding="chunked")
    async with probe.unharmed():
        answer = await probe.ask(request, *chunked(*[b" " * 60_000] * 5))
    assert "more than 262144 bytes" in error_of(answer, 400)["message"]


@pytest.mark.parametrize(
    "file_id",
    [
        "",
        "file-x",
        "file-lb01k00000000000000000000000",
        "../files",
        "%2e%2e%2f",
        "file-lb\0",
        "file-lb\n",
        "ﬁle-lb",
        "🚀",
        "' OR 1=1 --",
        "x" * 100_000,
    ],
    ids=lambda file_id: ascii(file_id[:30]),
)
async def test_an_input_that_is_not_there(probe: Probe, body: dict[str, Any], file_id: str) -> None:
    error = await probe.refuses(
        create_batch(json.dumps(body | {"input_file_id": file_id}).encode()), status=404
    )
    assert error["message"].startswith("No such File object")


async def test_an_input_of_somebody_else(probe: Probe, body: dict[str, Any]) -> None:
    error = await probe.refuses(create_batch(json.dumps(body).encode(), key="eve"), status=404)
    assert error["code"] is None


async def test_an_input_whose_model_the_key_may_not_use(probe: Probe, body: dict[str, Any]) -> None:
    error = await probe.refuses(create_batch(json.dumps(body).encode(), key=f"{CALLER}:{OTHER}"), status=403)
    assert (error["param"], error["code"]) == ("model", "model_access_denied")


async def test_an_input_of_another_purpose(probe: Probe, body: dict[str, Any]) -> None:
    made = await probe.accepts(
        form(field("purpose", "user_data"), field("target_model_names", MODEL), file(a_line()))
    )
    error = await probe.refuses(create_batch(json.dumps(body | {"input_file_id": made["id"]}).encode()))
    assert error["param"] == "input_file_id"


async def test_an_input_that_was_deleted(probe: Probe, body: dict[str, Any]) -> None:
    made = await probe.accepts(form(PURPOSE, file(a_line())))
    gateway = probe.gateway
    async with probe.gateway.http(CALLER) as http:
        await http.delete(f"/files/{made['id']}")
    left = f"SELECT 1 FROM file_copies WHERE file_id = '{made['id']}' AND state <> 'deleted'"

    async def is_gone() -> bool:
        return not await gateway.database.rows(left)

    await gateway.eventually(is_gone)
    await probe.refuses(create_batch(json.dumps(body | {"input_file_id": made["id"]}).encode()), status=404)
