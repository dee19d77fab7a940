"""What the package promises to those who import it."""

import ast
import inspect
import subprocess
import sys
from typing import assert_type

import pytest
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
    assert dir(litebatch_asgi) == litebatch_asgi.__all__


def test_names_are_loaded_from_where_type_checkers_read_them() -> None:
    tree = ast.parse(inspect.getsource(litebatch_asgi))
    read = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("litebatch_asgi.")
        for alias in node.names
    }
    assert sorted(read) == litebatch_asgi.__all__
    for name, module in read.items():
        assert getattr(litebatch_asgi, name) is getattr(sys.modules[module], name)


def test_names_that_are_not_there_are_told_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'litebatch_asgi' has no attribute 'Litebatch'"):
        getattr(litebatch_asgi, "Litebatch")  # noqa: B009 - type checkers would refuse it
    with pytest.raises(ImportError, match="cannot import name 'Litebatch'"):
        exec("from litebatch_asgi import Litebatch")


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


def test_importing_loads_what_is_asked_for() -> None:
    """The package itself is nothing but the names; the parts that it speaks of are attributes of it."""
    code = (
        "import sys, litebatch_asgi;"
        "print([name for name in sys.modules if name.startswith('litebatch_asgi.')],"
        " litebatch_asgi.errors.NotFound.__name__, litebatch_asgi.sdk.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] NotFound litebatch_asgi.sdk"


def test_importing_loads_neither_the_server_nor_a_backend() -> None:
    code = (
        "import sys, litebatch_asgi.app;"
        "print([name for name in ('uvicorn', 'click', 'yaml', 'rich', 'litebatch_sqlite', 'aiosqlite',"
        " 'htpy', 'cryptography', 'litebatch_asgi.page', 'litebatch_asgi.simulator', 'pytest')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
