"""`--workers N`: each sends its own spans, the last ones before it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database import Database
from tests.host.hosting import provider
from tests.traces.collecting import collector
from tests.traces.tracing import served, whole_batch

pytestmark = pytest.mark.timeout(180)  # processes, on a machine that may be busy


@pytest.fixture
def backend() -> str:
    return "postgresql"


async def test_workers_send_what_they_have_before_they_end(tmp_path: Path, database: Database) -> None:
    options = ("--workers", "2", "--database", database.url)
    with provider() as elsewhere, collector() as collected:
        with served(tmp_path, collected, elsewhere, *options, OTEL_BSP_SCHEDULE_DELAY="600000") as gateway:
            whole_batch(gateway.address)
            assert collected.named("litebatch.create") == []
            assert gateway.stop() == 0
        assert len(collected.named("litebatch.upload")) == len(collected.named("litebatch.create")) == 1
    assert gateway.process.pid not in {span.resource["process.pid"] for span in collected.spans}
    assert gateway.log.read_text().count("traces go to a collector") == 1
