"""Requests made up from the API's own description: whatever is asked, the answer is one that it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio

from litebatch_asgi.routes.openapi import describe
from tests.badinput.probe import CALLER, probing
from tests.database import SQLiteDatabase

COMMAND = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
CHECKS = (
    "not_a_server_error",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
)
OPTIONS = {
    "--header": f"authorization: Bearer {CALLER}",
    "--checks": ",".join(CHECKS),
    "--phases": "coverage,fuzzing",
    "--max-examples": "20",
    "--seed": "1",
    "--generation-database": "none",
    "--suppress-health-check": "too_slow,filter_too_much",
}


OPERATIONS = sum(len(methods.keys() - {"parameters"}) for methods in describe("1")["paths"].values())


async def test_every_answer_is_one_of_those_described(tmp_path: Path) -> None:
    options = [word for option in OPTIONS.items() for word in option]
    async with probing(tmp_path, SQLiteDatabase(tmp_path)) as probe:
        description = f"{probe.gateway.address}/v1/openapi.json"
        command = [*COMMAND, "run", description, *options]
        ran = await anyio.run_process(command, cwd=tmp_path, check=False, stderr=subprocess.STDOUT)
    told = ran.stdout.decode()
    assert ran.returncode == 0, told
    assert f"Tested: {OPERATIONS}\n" in told
    for phase in ("Coverage", "Fuzzing"):
        assert f"✅ {phase}\n" in told
