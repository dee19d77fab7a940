"""Searches for texts among much that is written, which hold up nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from litebatch_asgi.search import BatchSearch
from litebatch_asgi.testing.conformance.base import stored_batch, stored_file
from litebatch_asgi.testing.samples import a_batch, a_file
from litebatch_sqlite import SQLiteStorage
from tests.database import SQLiteDatabase
from tests.turns import LONGEST_SECONDS, watching_turns

pytestmark = pytest.mark.anyio

BATCHES = 600
METADATA = {f"{number:02}{'İ' * 62}": "İ" * 512 for number in range(16)}
"""as much as there may be, of a letter that is two in lower case"""


async def test_texts_are_compared_a_few_at_a_time(tmp_path: Path) -> None:
    storage = SQLiteStorage(SQLiteDatabase.migrated(tmp_path).url)
    await storage.open()
    file = a_file()
    await stored_file(storage, file=file)
    for _ in range(BATCHES):
        await stored_batch(storage, batch=a_batch(file, metadata=METADATA))
    async with watching_turns() as turns:
        page = await storage.search.batches(BatchSearch(text="needle", limit=10))
    await storage.close()
    assert (page.items, page.next) == ([], None)
    assert turns.longest < LONGEST_SECONDS
