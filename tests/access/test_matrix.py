"""Every route, asked by every kind of caller: the status and the body that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest
from openai.types import Batch

from litebatch_asgi.models.ids import BATCH_PREFIX, FILE_PREFIX, new_id
from tests.access.standalone import OTHER
from tests.access.worlds import INSIDERS, NOBODIES, Caller, World
from tests.harness import ENDPOINT, MODEL, lines

FILES, BATCHES = "/files", "/batches"


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner has: for each case a new one, where the case changes it."""

    file_id: str
    running_id: str
    ended: Batch


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route, and what it is asked for."""

    method: str
    path: str
    """with `{file}`, `{output}`, `{running}` or `{ended}` for ids of the owner's"""
    changes: bool = False
    """whether it needs a file and a batch that nobody has touched"""
    body: Callable[[Objects], dict[str, Any]] | None = None
    is_list: bool = False
    needs_model: bool = False
    foreign: tuple[int, str | None] = (404, None)
    """status and param for who owns nothing of it"""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def new_batch(objects: Objects) -> dict[str, Any]:
    return {"input_file_id": objects.file_id, "endpoint": ENDPOINT, "completion_window": "24h"}


ROUTES = [
    Route(method="GET", path="/files", is_list=True),
    Route(method="GET", path="/batches", is_list=True),
    Route(method="GET", path="/files?after={file}", foreign=(400, "after")),
    Route(method="GET", path="/batches?after={running}", foreign=(400, "after")),
    Route(method="GET", path="/files/{file}", foreign=(404, "id")),
    Route(method="HEAD", path="/files/{file}/content", foreign=(404, None)),
    Route(method="GET", path="/files/{file}/content", foreign=(404, "id")),
    Route(method="GET", path="/files/{output}", foreign=(404, "id")),
    Route(method="GET", path="/files/{output}/content", foreign=(404, "id")),
    Route(method="DELETE", path="/files/{file}", changes=True, foreign=(404, "id")),
    Route(method="GET", path="/batches/{running}"),
    Route(method="GET", path="/batches/{ended}"),
    Route(method="GET", path="/batches/{ended}/events"),
    Route(method="POST", path="/batches/{running}/cancel", changes=True),
    Route(method="POST", path="/batches/{ended}/retry", changes=True, needs_model=True),
    Route(
        method="POST",
        path="/batches/dry_run",
        body=new_batch,
        needs_model=True,
        foreign=(404, "input_file_id"),
    ),
    Route(
        method="POST",
        path="/batches",
        changes=True,
        body=new_batch,
        needs_model=True,
        foreign=(404, "input_file_id"),
    ),
]


@pytest.fixture(scope="module")
async def kept(world: World) -> Objects:
    """What the owner has, and no test changes."""
    return await objects(world, await world.completed())


async def objects(world: World, ended: Batch) -> Objects:
    """A file and a running batch that nobody has touched."""
    key = world.key(Caller.OWNER)
    file = await world.gateway.upload(key=key)
    batch = await world.gateway.create(file.id, key=key)
    return Objects(file_id=file.id, running_id=batch.id, ended=ended)


async def ask(world: World, caller: Caller, route: Route, given: Objects) -> httpx2.Response:
    path = route.path.format(
        file=given.file_id,
        output=given.ended.output_file_id,
        running=given.running_id,
        ended=given.ended.id,
    )
    headers = {"authorization": f"Bearer {world.key(caller)}"} if caller is not Caller.NONE else {}
    async with httpx2.AsyncClient(base_url=f"{world.gateway.address}/v1", verify=False) as http:
        body = None if route.body is None else route.body(given)
        return await http.request(route.method, path, headers=headers, json=body)


def check(answer: httpx2.Response, caller: Caller, route: Route, given: Objects) -> None:
    """That the answer is the one that this caller gets of this route."""
    assert answer.headers["x-request-id"]
    if caller in NOBODIES:
        refused(answer, route, 401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    elif route.is_list:
        assert answer.status_code == 200
        is_listed = given.file_id in answer.text or given.running_id in answer.text
        assert is_listed == (caller is not Caller.STRANGER)
    elif caller is Caller.STRANGER:
        status, param = route.foreign
        refused(answer, route, status, None, param)
    elif caller is Caller.LIMITED and route.needs_model:
        refused(answer, route, 403, "model_access_denied", "model")
        message = answer.json()["error"]["message"]
        assert MODEL in message
        assert message.endswith(f"may use: {OTHER}.")
    else:
        assert caller in INSIDERS | {Caller.ADMIN}
        assert answer.status_code == 200, answer.text


def refused(
    answer: httpx2.Response, route: Route, status: int, code: str | None, param: str | None = None
) -> None:
    assert answer.status_code == status, answer.text
    if route.method != "HEAD":
        error = answer.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_what_each_caller_is_answered(world: World, kept: Objects, route: Route) -> None:
    given = await objects(world, kept.ended) if route.changes else kept
    for caller in Caller:
        answer = await ask(world, caller, route, given)
        check(answer, caller, route, given)
        if route.changes and answer.status_code == 200:
            given = await objects(world, kept.ended)


async def test_who_may_upload_for_a_model(world: World) -> None:
    expected = dict.fromkeys(Caller, 200) | dict.fromkeys(NOBODIES, 401) | {Caller.LIMITED: 403}
    for caller, status in expected.items():
        headers = {"authorization": f"Bearer {world.key(caller)}"} if caller is not Caller.NONE else {}
        async with httpx2.AsyncClient(base_url=f"{world.gateway.address}/v1", verify=False) as http:
            for names in (None, MODEL):
                form = {"purpose": "batch"} | ({"target_model_names": names} if names else {})
                answer = await http.post(
                    "/files", headers=headers, data=form, files={"file": ("in.jsonl", lines(1))}
                )
                assert answer.status_code == status, (caller, answer.text)


async def test_what_models_each_caller_sees(world: World) -> None:
    for caller in Caller:
        headers = {"authorization": f"Bearer {world.key(caller)}"} if caller is not Caller.NONE else {}
        seen = [OTHER] if caller is Caller.LIMITED else [MODEL] if caller is Caller.OWNER else [MODEL, OTHER]
        async with httpx2.AsyncClient(base_url=f"{world.gateway.address}/v1", verify=False) as http:
            for path, name in (("/models", "id"), ("/model_group/info", "model_group")):
                answer = await http.get(path, headers=headers)
                assert answer.status_code == (401 if caller in NOBODIES else 200)
                if caller not in NOBODIES:
                    assert [each[name] for each in answer.json()["data"]] == seen


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.is_list], ids=str)
async def test_what_is_somebody_elses_is_as_if_it_were_not(world: World, kept: Objects, route: Route) -> None:
    """A foreign id, an unknown one and a provider's own are answered alike, but for the id itself."""
    told: set[tuple[int, str]] = set()
    for given in (kept, unknown(kept.ended), *raw(world, kept.ended)):
        answer = await ask(world, Caller.STRANGER, route, given)
        text = answer.text
        for own_id in (given.file_id, given.running_id, given.ended.id, given.ended.output_file_id):
            text = text.replace(own_id or "-", "ID")
        told.add((answer.status_code, text))
    assert len(told) == 1, told
    for given in raw(world, kept.ended):
        for caller in (Caller.OWNER, Caller.ADMIN):
            assert (await ask(world, caller, route, given)).status_code == route.foreign[0]


def unknown(ended: Batch) -> Objects:
    """Ids of our form that nobody has."""
    file_id, batch_id = new_id(FILE_PREFIX), new_id(BATCH_PREFIX)
    gone = ended.model_copy(update={"id": batch_id, "output_file_id": file_id})
    return Objects(file_id=file_id, running_id=batch_id, ended=gone)


def raw(world: World, ended: Batch) -> list[Objects]:
    """The ids that the providers themselves gave to what is behind the owner's objects."""
    found: list[Objects] = []
    for account in world.gateway.simulator.accounts.values():
        for batch in account.batches.values():
            if batch.output_file_id is not None:
                twin = ended.model_copy(update={"id": batch.id, "output_file_id": batch.output_file_id})
                found.append(Objects(file_id=batch.input_file_id, running_id=batch.id, ended=twin))
    assert found
    return found[:2]
