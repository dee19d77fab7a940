"""Requests made up from the API's own description: whatever is asked, the answer is one that it promises."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from schemathesis import checks as general
from schemathesis.specs.openapi import checks

from litebatch_asgi.routes.openapi import describe
from tests.badinput.probe import CALLER, probing
from tests.database import SQLiteDatabase

CHECKS: list[Any] = [
    general.not_a_server_error,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
    checks.unsupported_method,
]
schema = schemathesis.openapi.from_dict(msgspec.json.decode(msgspec.json.encode(describe("1"))))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A gateway in a thread of its own."""
    folder = tmp_path_factory.mktemp("gateway")
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(probing(folder, SQLiteDatabase(folder))) as probe,
    ):
        yield f"{probe.gateway.address}/v1"


@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")  # schemathesis does
@schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator]
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_one_of_those_described(address: str, case: schemathesis.Case[Any]) -> None:
    headers = {"authorization": f"Bearer {CALLER}"}
    case.call_and_validate(base_url=address, headers=headers, checks=CHECKS)
