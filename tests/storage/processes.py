"""Programs that the tests run in processes of their own: `python -m tests.storage.processes <name> <url>`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import partial

from litebatch_asgi.models import BatchChange, FileKind, FilePart, FileState
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_copy, a_file, a_job, a_part
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def admitted(change: BatchChange, state: FileState) -> BatchChange:
    return change


async def open_once(storage: Storage) -> None:
    """Say the installation id."""
    installation = await storage.open()
    say(installation.id)
    await storage.close()


async def write_for_ever(storage: Storage) -> None:
    """Create files, and batches with three jobs; say a batch's id once it is written."""
    await storage.open()
    while True:
        file = a_file()
        await storage.create_file(file, [a_copy(file)])
        batch = a_batch(file)
        jobs = tuple(a_job(batch, shard=shard) for shard in range(3))
        change = BatchChange(batch=batch, new_jobs=jobs)
        await storage.create_batch(file.id, partial(admitted, change))
        say(batch.id)


async def stay_in_a_transaction(storage: Storage) -> None:
    """Say the id of a file whose parts are being written, and write no more."""
    await storage.open()
    file = a_file()
    await storage.create_file(file, [])
    output = a_file(kind=FileKind.OUTPUT)

    def parts() -> Iterator[FilePart]:
        for seq in range(100):
            yield a_part(output, seq=seq, rows=b"x" * 65_536)
        say(output.id)
        time.sleep(60)

    change = BatchChange(batch=a_batch(file), files=(output,), parts=parts())
    await storage.create_batch(file.id, partial(admitted, change))


PROGRAMS = {program.__name__: program for program in (open_once, write_for_ever, stay_in_a_transaction)}

if __name__ == "__main__":
    url = sys.argv[2]
    opened = SQLiteStorage(url) if url.startswith("sqlite:") else PostgresStorage(url)
    asyncio.run(PROGRAMS[sys.argv[1]](opened))
