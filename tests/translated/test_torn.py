"""Results that a provider gives only a part of at first: what was done is neither lost nor done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault
from litebatch_asgi.strategies import Candidate
from tests.database import Database
from tests.harness import HASTY, rows_of
from tests.translated.deployed import ANTHROPIC, MISTRAL, OPENAI, VERTEX
from tests.translated.stage import Stage, file_of

MATCHES = {VERTEX: "prediction", ANTHROPIC: "msgbatch_", MISTRAL: "-", OPENAI: "batch_"}


def _first(name: str, candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    return sorted(candidates, key=lambda each: each.deployment_id != name)


@pytest.mark.parametrize("short_after", [40, 300])
@pytest.mark.parametrize("name", MATCHES)
async def test_a_row_that_came_in_part_is_waited_for(
    stage: Stage, database: Database, name: str, short_after: int
) -> None:
    others = [each for each in (OPENAI, VERTEX) if each != name]
    settings = replace(
        HASTY, rescue=True, min_retry_rows=1, missing_file_grace_seconds=60, late_rows_grace_seconds=60
    )
    account = stage.simulator.account(name)
    course = Course(ends_at=0.5, ends_as="expired")
    first = partial(_first, name)
    async with stage.gateway(name, *others, settings=settings, strategy=first) as gateway:
        file = await gateway.upload(file_of(['"a"', '"b"']))
        account.add_fault(Fault(call="start_batch", course=course))
        account.add_fault(Fault(call="stream_file", match=MATCHES[name], short_after=short_after))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, error = await gateway.results(batch)
        assert (sorted(row["custom_id"] for row in rows_of(output)), error) == (["a", "b"], b"")
        charged = [json.loads(usage) for (usage,) in await database.rows("SELECT usage FROM charges")]
        assert sum(usage["requests"] for usage in charged) == 2
    sent = [job.request_counts.total for each in (name, *others) for job in stage.jobs(each)]
    assert sent == [2, 1]
