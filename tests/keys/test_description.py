"""What the gateway tells of its key routes."""

from __future__ import annotations

import pytest
from openapi_spec_validator import validate

from tests.access.standalone import Standalone
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
    assert document["components"]["schemas"]["KeyFields"]["properties"]["max_open_batches"]
    ids = [
        each["operationId"]
        for path in document["paths"].values()
        for each in path.values()
        if "operationId" in each
    ]
    assert len(set(ids)) == len(ids)
