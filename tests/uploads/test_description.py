"""What the API says of uploads is true: of answers, and of what is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.routes.upload_operations import UPLOAD_OPERATIONS
from tests.harness import Gateway, lines
from tests.http.test_openapi import Client, ids_at, validator

CREATE = {"filename": "in.jsonl", "purpose": "batch", "bytes": len(lines()), "mime_type": "text/jsonl"}


async def test_real_answers_are_as_described(gateway: Gateway) -> None:
    async with gateway.http() as http:
        client = Client(http)
        made = await client.ask("post", "/uploads", json=CREATE)
        await client.follow(made, "post", "/uploads", "CancelUpload")
        await client.ask("post", "/uploads", json=CREATE | {"bytes": "many"})
        await client.ask("post", "/uploads", json=CREATE | {"bytes": 1 << 40})
        upload = await client.ask("post", "/uploads", json=CREATE)
        parts: dict[str, Any] = {"files": {"data": ("upload", lines())}}
        part = await client.ask("post", "/uploads/{id}/parts", upload["id"], **parts)
        assert part.keys() == {"id", "object", "created_at", "upload_id"}
        complete = {"part_ids": [part["id"]]}
        for id_ in (upload["id"], "upload_lb0"):
            await client.ask("post", "/uploads/{id}/complete", id_, json=complete)
            await client.ask("post", "/uploads/{id}/cancel", id_)
            await client.ask("post", "/uploads/{id}/parts", id_, **parts)
        await client.ask("post", "/uploads/{id}/complete", upload["id"], json={"part_ids": "all"})
    assert client.done == {each for path in UPLOAD_OPERATIONS for each in ids_at(path)}


texts = st.text("ab", max_size=3) | st.sampled_from(["batch", "vision", "created_at", "x" * 256, "a\0b"])
odd = st.none() | st.booleans() | st.integers(-5, 5) | texts | st.lists(st.integers(), max_size=2)
expiry = st.fixed_dictionaries(
    {"anchor": st.just("created_at") | odd}, optional={"seconds": st.just(3600) | odd, "other": odd}
)
sizes = st.sampled_from([0, 400, 8 << 30, (8 << 30) + 1, 3.0, 3.5, -1])
names = st.lists(st.text("ab,", max_size=4), max_size=3)


def bodies(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Right ones, and others."""
    wild = {name: each | odd for name, each in (required | optional).items()}
    return st.fixed_dictionaries(required, optional=optional) | st.fixed_dictionaries(
        {}, optional={**wild, "other": odd}
    )


def is_taken(parse: Callable[[bytes], object], body: dict[str, Any]) -> bool:
    try:
        parse(msgspec.json.encode(body))
    except InvalidRequest:
        return False
    return True


@given(
    bodies(
        {
            "filename": st.text("ab/.", max_size=5),
            "purpose": st.sampled_from(wire.UPLOAD_PURPOSES),
            "bytes": sizes,
            "mime_type": texts,
        },
        {"expires_after": expiry, "target_model_names": names | st.text("ab,", max_size=4)},
    )
)
def test_what_is_described_of_a_create_is_what_is_taken(body: dict[str, Any]) -> None:
    described = validator({"$ref": "#/components/schemas/CreateUploadBody"})
    assert described.is_valid(body) == is_taken(wire.parse_create_upload, body)


@pytest.mark.parametrize(
    "names", ["a\0b", ["a\0b"], ["a", None], [None], [3], ["x" * 257], ["x" * 256], ["a"] * 101, ["a"] * 100]
)
def test_what_is_described_of_names_is_what_is_taken(names: object) -> None:
    described = validator({"$ref": "#/components/schemas/CreateUploadBody"})
    body = CREATE | {"target_model_names": names}
    assert described.is_valid(body) == is_taken(wire.parse_create_upload, body)


@given(
    bodies(
        {"part_ids": st.lists(texts, max_size=3)},
        {"md5": st.sampled_from(["0" * 32, "aF" * 16, "0" * 31, "g" * 32]) | st.none()},
    )
)
def test_what_is_described_of_a_completion_is_what_is_taken(body: dict[str, Any]) -> None:
    described = validator({"$ref": "#/components/schemas/CompleteUploadBody"})
    assert described.is_valid(body) == is_taken(wire.parse_complete_upload, body)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"target_model_names": "a, b"}, ("a", "b")),
        ({"target_model_names": ["a", "b,c"]}, ("a", "b", "c")),
        ({"target_model_names[]": ["a"]}, ("a",)),
        ({"target_model_names": None}, ()),
        ({}, ()),
    ],
)
def test_models_are_named_in_any_way(given: dict[str, Any], names: tuple[str, ...]) -> None:
    """And in the query and the header too; all of them count."""
    body = msgspec.json.encode(CREATE | given)
    assert wire.parse_create_upload(body).target_model_names == names
    more = wire.parse_create_upload(body, [("target_model_names", "q")], "h").target_model_names
    assert more == (*names, "q", "h")


@pytest.mark.parametrize("param", ["filename", "purpose", "bytes", "mime_type"])
def test_what_is_missing_is_named(param: str) -> None:
    body = {name: value for name, value in CREATE.items() if name != param}
    with pytest.raises(InvalidRequest) as refused:
        wire.parse_create_upload(msgspec.json.encode(body))
    assert (refused.value.param, refused.value.code) == (param, "missing_required_parameter")
