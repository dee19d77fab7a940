"""What the package promises to those who import it."""

import subprocess
import sys
from typing import assert_type

from starlette.types import ASGIApp

import litebatch_asgi
from litebatch_asgi import Batch, DryRun, File, LiteBatch, Page, Principal


def test_the_public_names_are_these() -> None:
    assert litebatch_asgi.__all__ == [
        "Authenticator",
        "Batch",
        "BatchStatus",
        "CallableSink",
        "Counts",
        "Deployment",
        "DryRun",
        "Event",
        "File",
        "FileStatus",
        "Limits",
        "LiteBatch",
        "LiteBatchError",
        "LiteBatchMiddleware",
        "MasterKeyAuthenticator",
        "Page",
        "Principal",
        "RequestError",
        "RowError",
        "ScopeUserAuthenticator",
        "Settings",
        "Sink",
        "Storage",
        "Usage",
    ]
    assert all(hasattr(litebatch_asgi, name) for name in litebatch_asgi.__all__)


async def typed(litebatch: LiteBatch, principal: Principal) -> None:
    """Never run: the type checkers read it."""
    file = await litebatch.files.create(principal, b"", filename="in.jsonl", purpose="batch")
    assert_type(file, File)
    assert_type(await litebatch.files.list(principal), Page[File])
    batch = await litebatch.batches.create(
        principal, input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert_type(batch, Batch)
    assert_type(await litebatch.batches.retry(principal, batch.id), Batch)
    told = await litebatch.batches.dry_run(
        principal, input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert_type(told, DryRun)
    assert_type(await litebatch.batches.list(principal), Page[Batch])
    assert_type(litebatch.page, ASGIApp)
    async for block in litebatch.files.content(principal, file.id):
        assert_type(block, bytes)


def test_importing_loads_neither_the_server_nor_a_backend() -> None:
    code = (
        "import sys, litebatch_asgi;"
        "print([name for name in ('uvicorn', 'typer', 'yaml', 'rich', 'litebatch_sqlite', 'aiosqlite',"
        " 'htpy', 'cryptography', 'litebatch_asgi.page', 'litebatch_asgi.simulator', 'pytest')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
