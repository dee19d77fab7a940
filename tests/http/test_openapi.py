"""The API's description of itself: it is valid, it is complete, and it is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.server.gateway import build_gateway
from tests.harness import ENDPOINT, Gateway, lines
from tests.http.sockets import served
from tests.http.test_endpoint import PATHS, client, litebatch, told

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe("1.2.3")))
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
]


def test_it_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_it_has_every_path_and_method() -> None:
    described = {(path, method.upper()) for path, method, _ in OPERATIONS}
    plain = {path.replace("file-x", "{id}").replace("batch_x", "{id}"): path for path in PATHS}
    there = {(path, method) for path, sample in plain.items() for method in PATHS[sample] - {"HEAD"}}
    assert described == there


def test_nothing_is_left_unsaid() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    for _, _, operation in OPERATIONS:
        assert operation["summary"].endswith(".")
        for status, answer in operation["responses"].items():
            assert answer["description"].endswith("."), status
            assert set(answer["headers"]) == {"x-request-id"}
    assert DOCUMENT["security"] == [{"key": []}]


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


async def test_it_is_there_for_everybody_and_says_where_it_stands(tmp_path: Path) -> None:
    running = litebatch(tmp_path)
    async with client(running, key=None) as http:
        answer = await http.get("/openapi.json")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]
        assert answer.json()["servers"] == [{"url": "/"}]
        assert set(answer.json()["paths"]) == set(DOCUMENT["paths"])
        assert (await http.head("/openapi.json")).status_code == 200
        refused = await http.post("/openapi.json")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD"
    assert told(refused)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("mounted", "path", "server"),
    [
        ("/llm/v1", "/llm/v1/openapi.json", "/llm/v1"),
        ("", "/v1/openapi.json", "/v1"),
        ("", "/openapi.json", "/"),
    ],
)
async def test_it_is_where_the_api_is(tmp_path: Path, mounted: str, path: str, server: str) -> None:
    running = litebatch(tmp_path)
    app = Starlette(routes=[Mount(mounted, running.app)]) if mounted else build_gateway(running)
    async with served(app) as address, httpx2.AsyncClient(base_url=address, verify=False) as http:
        answer = await http.get(path)
    assert answer.json()["servers"] == [{"url": server}]


class Client:
    """Asks, and checks every answer against the description."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.done: set[str] = set()

    async def ask(self, method: str, path: str, id_: str = "", **options: Any) -> Any:
        """What is answered, decoded if it is JSON."""
        operation = DOCUMENT["paths"][path][method]
        answer = await self._http.request(method.upper(), path.replace("{id}", id_), **options)
        (media_type, content), *_ = operation["responses"][str(answer.status_code)]["content"].items()
        assert answer.headers["content-type"] == media_type
        if answer.status_code == 200:
            self.done.add(operation["operationId"])
        if media_type != "application/json":
            return answer.content
        validator(content["schema"]).validate(answer.json())
        return answer.json()


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """What checks against a schema of the document."""
    return Draft202012Validator(schema | {"components": DOCUMENT["components"]})


async def test_real_answers_are_as_described(held_gateway: Gateway) -> None:
    gateway = held_gateway
    async with gateway.http() as http:
        client = Client(http)
        form = {"purpose": "batch"}
        file = await client.ask("post", "/files", files={"file": ("in.jsonl", lines())}, data=form)
        body = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
        batch = await client.ask("post", "/batches", json=body | {"metadata": {"a": "b"}})
        await gateway.reached(batch["id"], "in_progress")
        for account in gateway.simulator.accounts.values():
            for running in account.batches:
                account.release(running)
        await gateway.ended(batch["id"])
        ended = await client.ask("get", "/batches/{id}", batch["id"])
        assert ended["usage"]
        assert await client.ask("get", "/files/{id}/content", ended["output_file_id"])
        for batch_id in (batch["id"], (await client.ask("post", "/batches", json=body))["id"]):
            await client.ask("post", "/batches/{id}/cancel", batch_id)
        for path in ("/files", "/batches", "/models", "/model_group/info"):
            await client.ask("get", path)
        for method in ("get", "delete", "get"):
            await client.ask(method, "/files/{id}", file["id"])
        await client.ask("post", "/files", files={"file": ("in.jsonl", b"no JSON\n{}")}, data=form)
        await client.ask("post", "/batches", json=body | {"metadata": {"n": 1}})
        await client.ask("get", "/files", params={"limit": "0"})
    assert client.done == {operation["operationId"] for _, _, operation in OPERATIONS}


texts = st.text("ab", max_size=3) | st.sampled_from(["24h", "created_at", ENDPOINT, "/v1/responses"])
odd = st.none() | st.booleans() | st.integers(-5, 5) | texts | st.lists(st.integers(), max_size=2)
metadata = st.dictionaries(st.text("ab", max_size=66), st.text("ab", max_size=514) | odd, max_size=18)
seconds = st.sampled_from([3599, 3600, 2_592_000, 2_592_001, 3600.5]) | odd
expiry = st.fixed_dictionaries(
    {"anchor": st.just("created_at") | odd}, optional={"seconds": seconds, "other": odd}
)
required = {
    "input_file_id": st.just("file-x"),
    "endpoint": st.just(ENDPOINT),
    "completion_window": st.just("24h"),
}
options = {"metadata": metadata | odd, "output_expires_after": expiry | odd}
bodies = st.fixed_dictionaries(required, optional=options) | st.fixed_dictionaries(
    {}, optional={**{name: right | odd for name, right in required.items()}, **options, "other": odd}
)
CREATE_BATCH = validator({"$ref": "#/components/schemas/CreateBatchBody"})


@given(bodies)
def test_what_is_described_is_what_is_taken(body: dict[str, Any]) -> None:
    try:
        wire.parse_create_batch(msgspec.json.encode(body))
        taken = True
    except InvalidRequest:
        taken = False
    assert CREATE_BATCH.is_valid(body) == taken
