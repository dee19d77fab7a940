"""Several processes on one SQLite file, and processes that are killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from litebatch_asgi.testing import a_file
from litebatch_sqlite import SQLiteStorage

ROOT = Path(__file__).parents[2]


@contextmanager
def running(program: str, database: Path) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.processes", program, f"sqlite:///{database}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def words(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "litebatch.db"


def assert_sound(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_four_processes_set_up_one_database_at_once(database: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(running("open_once", database)) for _ in range(4)]
        ids = {words(process, 1)[0] for process in processes}
        codes = [process.wait(30) for process in processes]
    assert codes == [0, 0, 0, 0]
    assert len(ids) == 1
    assert ids != {""}
    assert_sound(database)


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
async def test_nothing_acknowledged_is_lost_when_a_writer_is_killed(
    database: Path, acknowledged: int
) -> None:
    with running("write_for_ever", database) as process:
        batch_ids = words(process, acknowledged)
        process.kill()
        process.wait(30)
    assert_sound(database)
    storage = SQLiteStorage(database)
    await storage.open()
    for batch_id in batch_ids:
        state = await storage.get_batch_state(batch_id)
        assert state is not None
        assert len(state.jobs) == 3
    await storage.close()


async def test_a_transaction_dies_with_its_process(database: Path) -> None:
    with running("stay_in_a_transaction", database) as process:
        [file_id] = words(process, 1)
        process.kill()
        process.wait(30)
    storage = SQLiteStorage(database)
    await storage.open()
    assert await storage.get_file(file_id) is None
    assert [part async for part in storage.file_parts(file_id)] == []
    await storage.create_file(a_file(id=file_id), [])
    await storage.close()
    assert_sound(database)


async def test_readers_do_not_wait_for_another_process(database: Path) -> None:
    storage = SQLiteStorage(database, busy_timeout_seconds=0.05)
    await storage.open()
    file = a_file()
    await storage.create_file(file, [])
    with running("stay_in_a_transaction", database) as process:
        words(process, 1)
        state = await storage.get_file(file.id)
        assert state is not None
        assert state.file == file
    await storage.close()
