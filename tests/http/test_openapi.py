"""The API's description of itself: it is valid, it is complete, and it is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from msgspec.structs import replace
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.routes.upload_operations import UPLOAD_OPERATIONS
from litebatch_asgi.routes.webhook_operations import WEBHOOK_OPERATIONS
from litebatch_asgi.server.gateway import build_gateway
from tests.harness import ENDPOINT, QUICK, Gateway, lines, running_gateway
from tests.http.sockets import served
from tests.http.test_endpoint import PATHS, client, litebatch, told
from tests.providers import wire as receivers

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe("1.2.3")))
BODY = "$response.body#/"
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
    plain = {re.sub("file-x|batch_x|upload_x|model-x|we_x", "{id}", path): path for path in PATHS}
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

    def __init__(self, http: httpx2.AsyncClient, document: dict[str, Any] = DOCUMENT) -> None:
        self._http = http
        self._document = document
        self.done: set[str] = set()

    async def follow(self, answer: Any, method: str, path: str, name: str) -> Any:
        """Go on from an answer by one of its links."""
        link = self._document["paths"][path][method]["responses"]["200"]["links"][name]
        target, method, _ = operation_called(self._document, link["operationId"])
        given = {name: evaluated(value, answer) for name, value in link.get("parameters", {}).items()}
        body = {name: evaluated(value, answer) for name, value in link.get("requestBody", {}).items()}
        in_path = next((value for name, value in given.items() if f"{{{name}}}" in target), "")
        options: dict[str, Any] = {"json": body} if body else {} if in_path else {"params": given}
        return await self.ask(method, target, in_path, **options)

    async def ask(self, method: str, path: str, id_: str = "", **options: Any) -> Any:
        """What is answered, decoded if it is JSON."""
        operation = self._document["paths"][path][method]
        answer = await self._http.request(method.upper(), re.sub("{.*}", id_, path), **options)
        contents = operation["responses"][str(answer.status_code)]["content"]
        media_type = answer.headers["content-type"].partition(";")[0]
        content = contents[media_type]
        if answer.status_code == 200:
            self.done.add(operation["operationId"])
        if media_type != "application/json":
            return answer.content
        validator(content["schema"], self._document).validate(answer.json())
        return answer.json()


def validator(schema: dict[str, Any], document: dict[str, Any] = DOCUMENT) -> Draft202012Validator:
    """What checks against a schema of the document."""
    return Draft202012Validator(schema | {"components": document["components"]})


def operation_called(document: dict[str, Any], id_: str) -> tuple[str, str, dict[str, Any]]:
    """Path, method and description of an operation."""
    (found,) = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters" and operation["operationId"] == id_
    ]
    return found


def evaluated(value: str, answer: Any) -> Any:
    """What an expression of a link, or a constant, stands for."""
    return answer[value.removeprefix(BODY)] if value.startswith(BODY) else value


def test_links_lead_to_what_there_is_and_say_all_that_is_needed() -> None:
    check_links(DOCUMENT)


def check_links(document: dict[str, Any]) -> None:
    """Each names an operation, and gives it what is always there and all that it requires."""
    answers: list[dict[str, Any]] = [
        operation["responses"]["200"]
        for methods in document["paths"].values()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    linked: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (answer, link) for answer in answers for link in answer.get("links", {}).values()
    ]
    assert linked
    for answer, link in linked:
        path, _, target = operation_called(document, link["operationId"])
        parameters: list[dict[str, Any]] = [
            *document["paths"][path].get("parameters", []),
            *target.get("parameters", []),
        ]
        given: dict[str, str] = link.get("parameters", {})
        assert given.keys() <= {each["name"] for each in parameters}
        assert given.keys() >= {each["name"] for each in parameters if each["required"]}
        body: dict[str, str] = link.get("requestBody", {})
        if "requestBody" in target:
            schema = document["components"]["schemas"][schema_name(target["requestBody"])]
            assert body.keys() <= schema["properties"].keys()
            assert body.keys() >= set(schema.get("required", ()))
        always_there = document["components"]["schemas"][schema_name(answer)]["required"]
        for value in (*given.values(), *body.values()):
            assert not value.startswith("$") or value.removeprefix(BODY) in always_there


def schema_name(described: dict[str, Any]) -> str:
    """The name of the schema of a body or an answer."""
    reference: str = described["content"]["application/json"]["schema"]["$ref"]
    return reference.rpartition("/")[2]


async def test_links_can_be_followed(gateway: Gateway) -> None:
    async with gateway.http() as http:
        client = Client(http)
        form = {"purpose": "batch"}
        file = await client.ask("post", "/files", files={"file": ("in.jsonl", lines())}, data=form)
        assert (await client.follow(file, "post", "/files", "RetrieveFile"))["id"] == file["id"]
        assert await client.follow(file, "post", "/files", "DownloadFile") == lines()
        batch = await client.follow(file, "post", "/files", "CreateBatch")
        assert batch["input_file_id"] == file["id"]
        assert (await client.follow(batch, "post", "/batches", "RetrieveBatch"))["id"] == batch["id"]
        assert (await client.follow(batch, "post", "/batches", "CancelBatch"))["id"] == batch["id"]
        assert (await client.follow(file, "post", "/files", "DeleteFile"))["deleted"]
    assert client.done >= {"createFile", "retrieveFile", "downloadFile", "deleteFile"}
    assert client.done >= {"createBatch", "retrieveBatch", "cancelBatch"}


def test_an_optional_parameter_of_a_query_may_be_empty() -> None:
    for path in ("/files", "/batches", "/spend/batches"):
        for parameter in DOCUMENT["paths"][path]["get"]["parameters"]:
            schema = parameter["schema"]
            is_limited = {"enum", "format"} & {*schema, *schema.get("items", {})}
            is_any_text = not is_limited and schema["type"] in ("string", "array")
            assert parameter.get("allowEmptyValue", False) is not is_any_text
            assert "minLength" not in schema
            assert not parameter["required"]


async def test_real_answers_are_as_described(held_gateway: Gateway) -> None:
    gateway = held_gateway
    async with gateway.http() as http:
        client = Client(http)
        form = {"purpose": "batch"}
        file = await client.ask("post", "/files", files={"file": ("in.jsonl", lines())}, data=form)
        body = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
        assert (await client.ask("post", "/batches/dry_run", json=body))["requests"] == 3
        batch = await client.ask("post", "/batches", json=body | {"metadata": {"a": "b"}})
        await gateway.reached(batch["id"], "in_progress")
        for account in gateway.simulator.accounts.values():
            for running in account.batches:
                account.release(running)
        await gateway.ended(batch["id"])
        ended = await client.ask("get", "/batches/{id}", batch["id"])
        assert ended["usage"]
        assert (await client.ask("get", "/batches/{id}/events", batch["id"]))["data"]
        assert await client.ask("get", "/files/{id}/content", ended["output_file_id"])
        for batch_id in (batch["id"], (await client.ask("post", "/batches", json=body))["id"]):
            await client.ask("post", "/batches/{id}/cancel", batch_id)
            await gateway.ended(batch_id)
            await client.ask("post", "/batches/{id}/retry", batch_id)
        for path in ("/files", "/batches", "/models", "/model_group/info", "/spend/batches"):
            await client.ask("get", path)
        groups = {"group_by": ["day", "owner,key", "team", "model"]}
        spent = await client.ask("get", "/spend/batches", params=groups)
        assert sum(each["requests"] for each in spent["data"]) >= 3
        assert await client.ask("get", "/spend/batches", headers={"accept": "text/csv"})
        await client.ask("get", "/spend/batches", params={"start_date": "yesterday"})
        for name in ("gpt-4o-batch", "no/such-model"):
            await client.ask("get", "/models/{id}", name)
        for method in ("get", "delete", "get"):
            await client.ask(method, "/files/{id}", file["id"])
        await client.ask("post", "/files", files={"file": ("in.jsonl", b"no JSON\n{}")}, data=form)
        await client.ask("post", "/batches", json=body | {"metadata": {"n": 1}})
        await client.ask("get", "/files", params={"limit": "0"})
    elsewhere = {each for path in (*WEBHOOK_OPERATIONS, *UPLOAD_OPERATIONS) for each in ids_at(path)}
    assert client.done == {operation["operationId"] for _, _, operation in OPERATIONS} - elsewhere


def ids_at(path: str) -> list[str]:
    """The ids of the operations of a path."""
    return [operation["operationId"] for at, _, operation in OPERATIONS if at == path]


async def test_real_answers_about_webhooks_are_as_described(tmp_path: Path) -> None:
    settings = replace(QUICK, webhook_keys=("k" * 32,), webhooks_to_private_addresses=True)
    body = {"name": "hooks", "url": "http://localhost/", "event_types": ["batch.completed"]}
    async with (
        receivers.raw_server(receivers.answer()) as receiver,
        running_gateway(tmp_path, settings=settings) as gateway,
        gateway.http() as http,
    ):
        client = Client(http)
        made = await client.ask("post", "/webhook_endpoints", json=body | {"url": receiver.base_url})
        at, sample = "/webhook_endpoints/{id}", {"event_type": "batch.failed"}
        for id_ in (made["id"], "we_lb0"):
            await client.ask("post", at, id_, json={"name": "others"})
            await client.ask("post", f"{at}/test", id_, json=sample)
            await client.ask("post", f"{at}/rotate_secret", id_, json={})
        await client.ask("post", f"{at}/test", made["id"], json={"event_type": "batch.created"})
        again = await client.follow(made, "post", "/webhook_endpoints", "RetrieveWebhookEndpoint")
        assert again.keys() == made.keys() - {"signing_secret"}
        await client.follow(made, "post", "/webhook_endpoints", "RotateWebhookEndpointSecret")
        for path in ("/webhook_endpoints", "/webhook_event_types"):
            await client.ask("get", path)
        await client.ask("get", "/webhook_endpoints", params={"limit": "0"})
        await client.ask("post", "/webhook_endpoints", json=body | {"name": ""})
        await client.follow(made, "post", "/webhook_endpoints", "DeleteWebhookEndpoint")
        await client.ask("get", at, made["id"])
    assert client.done == {each for path in WEBHOOK_OPERATIONS for each in ids_at(path)}


texts = st.text("ab", max_size=3) | st.sampled_from(["24h", "created_at", ENDPOINT, "/v1/responses"])
odd = st.none() | st.booleans() | st.integers(-5, 5) | texts | st.lists(st.integers(), max_size=2)
metadata = st.dictionaries(st.text("ab\0", max_size=66), st.text("ab\0", max_size=514) | odd, max_size=18)
seconds = st.sampled_from([3599, 3600, 2_592_000, 2_592_001, 3600.0, 3600.5, 3599.0]) | odd
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
