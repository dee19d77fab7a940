"""What the gateway tells of its key routes, and whether it is true."""

from __future__ import annotations

import pytest
from openapi_spec_validator import validate

from litebatch_asgi.server.keys import PREFIXES
from tests.access.standalone import MASTER, Standalone
from tests.harness import MODEL
from tests.http.test_openapi import Client, check_links
from tests.keys.test_access import ROUTES


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def test_every_route_is_described(shared: Standalone) -> None:
    document = await shared.look("/openapi.json")
    validate(document)
    named = "sk-of-somebody-who-may-be-there"
    there = {(path.partition("?")[0].replace(named, "{key}"), method.lower()) for method, path in ROUTES}
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert there <= described
    assert ("/files", "post") in described
    assert document["components"]["schemas"]["NewKeyFields"]["properties"]["max_open_batches"]
    ids = [
        each["operationId"]
        for path in document["paths"].values()
        for each in path.values()
        if "operationId" in each
    ]
    assert len(set(ids)) == len(ids)


async def test_real_answers_are_as_described(shared: Standalone) -> None:
    document = await shared.look("/openapi.json")
    check_links(document)
    limits = {"max_open_batches": 5.0, "max_budget": "12.50", "metadata": {"a": [1, None]}, "unknown": 1}
    async with shared.http(MASTER) as http:
        client = Client(http, document)
        team = await client.ask("post", "/team/new", json=limits | {"models": [MODEL]})
        assert (team["max_open_batches"], team["max_budget"]) == (5, 12.5)
        user = await client.ask("post", "/user/new", json={"user_role": "internal_user", "team_id": None})
        await client.ask("post", "/user/new", json={"auto_create_key": False})
        key = await client.ask("post", "/key/generate", json=limits | {"duration": "30d", "key_alias": "d"})
        await client.ask("post", "/key/generate")
        for kind, made, path in (("key", key, "generate"), ("team", team, "new"), ("user", user, "new")):
            for link in ("Info", "Update", "Block"):
                await client.follow(made, "post", f"/{kind}/{path}", link)
            name = {"key": key["key"]} if kind == "key" else {f"{kind}_id": made[f"{kind}_id"]}
            await client.ask("post", f"/{kind}/unblock", json=name)
            await client.ask("post", f"/{kind}/update", json=name | limits)
            await client.ask("get", f"/{kind}/list")
        for full in ("true", "false", ""):
            query = {"return_full_object": full, "page": "", "size": "", "key_alias": "d"}
            assert (await client.ask("get", "/key/list", params=query))["total_count"] == 1
        await client.ask("post", "/key/{key}/regenerate", key["token"])
        again = await client.ask("post", "/key/regenerate", json={"key": user["key"]} | limits)
        await client.ask("post", "/key/delete", json={"keys": [again["key"]], "key_aliases": ["d"]})
        await client.ask("post", "/team/delete", json={"team_ids": [team["team_id"]]})
        await client.ask("post", "/user/delete", json={"user_ids": [user["user_id"]]})
        for wrong in ({"max_open_batches": 5.5}, {"max_budget": "1e3"}, {"max_budget": -1}, {"blocked": 1}):
            assert "error" in await client.ask("post", "/key/generate", json=wrong)
        for path in ("/team/info", "/user/info", "/key/info"):
            assert "error" in await client.ask("get", path)
        assert "error" in await client.ask("get", "/key/list", params={"page": "0"})
    described = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        if path.startswith(PREFIXES)
        for method, operation in methods.items()
        if method != "parameters"
    }
    assert described <= client.done
