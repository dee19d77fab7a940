"""Requests made up from the gateway's own description: whatever is asked, the answer is one that it promises.

What is right by the description is granted, what is wrong by it is refused, every answer has the status,
type, headers and fields that are described, nobody gets in without a key, and links lead to what they name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.server.keys import KEY_OPERATIONS
from litebatch_asgi.server.metrics import METRICS_OPERATIONS
from litebatch_asgi.server.operators import OPERATOR_OPERATIONS
from tests.access.standalone import MASTER, standalone
from tests.database import BACKENDS, SQLiteDatabase, database_on

COMMAND = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
OPTIONS = {
    "--header": f"Authorization: Bearer {MASTER}",
    "--checks": "all",
    "--exclude-checks": "object_level_authorization",  # of one caller's requests; `tests/access` has that
    "--seed": "1",
    "--generation-database": "none",
    "--suppress-health-check": "too_slow,filter_too_much",
}
HOOKS = {"SCHEMATHESIS_HOOKS": "tests.badinput.schema_hooks", "PYTHONPATH": str(Path(__file__).parents[2])}
PATHS = describe("1", METRICS_OPERATIONS, OPERATOR_OPERATIONS, KEY_OPERATIONS)["paths"]
MANAGEMENT = r"/(key|team|user)/"
"""paths whose many fields make half of the requests"""


async def fuzz(
    folder: Path, address: str, *, phases: str = "coverage,fuzzing,stateful", **options: str
) -> None:
    """Run schemathesis against a gateway; it finds nothing."""
    left_out = options.get("exclude_path_regex")
    tested = [path for path in PATHS if left_out is None or re.search(left_out, path) is None]
    operations = sum(len(PATHS[path].keys() - {"parameters"}) for path in tested)
    given = (
        OPTIONS
        | {"--phases": phases}
        | {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    )
    words = [word for each in given.items() for word in each]
    command = [*COMMAND, "run", f"{address}/v1/openapi.json", *words]
    environment = {**os.environ, **HOOKS}
    ran = await anyio.run_process(command, cwd=folder, check=False, stderr=subprocess.STDOUT, env=environment)
    told = ran.stdout.decode(errors="replace")
    assert ran.returncode == 0, told
    assert f"Tested: {operations}\n" in told
    for phase in phases.split(","):
        assert f"✅ {phase.capitalize()}\n" in told


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_every_answer_is_one_of_those_described(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        await fuzz(tmp_path, gateway.address, phases="coverage", exclude_path_regex=MANAGEMENT)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("backend", "seed"), list(zip(BACKENDS, "23", strict=True)))
async def test_every_answer_to_many_requests_is_too(tmp_path: Path, backend: str, seed: str) -> None:
    async with database_on(backend, tmp_path) as database, standalone(tmp_path, database) as gateway:
        await fuzz(tmp_path, gateway.address, max_examples="60", seed=seed)
