"""A batch of some of those lines of an ended one that have not succeeded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi import RowError
from litebatch_asgi.jsonl import LineSet
from litebatch_asgi.models import Limits
from litebatch_asgi.models.ids import BATCH_PREFIX
from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import InProcess, ids_of, lines
from tests.rescue.stage import RUNNING
from tests.rescue.test_retry import ALICE, ALONE, ON_BOTH, gateway_on, ids_sent, retry

SLOW: dict[str, Any] = {"status": 429, "code": "rate_limit_exceeded"}
FATES: list[dict[str, Any] | None] = [
    None,
    SLOW | {"message": "Limit of req_12ab reached, try again in 20s"},
    {"status": 400, "code": "invalid_value", "message": "No such colour"},
    None,
    SLOW | {"message": "Limit of req_77 reached, try again in 3s"},
    SLOW | {"message": "The day's limit is reached"},
    {"error": "request_timeout"},
    {"status": 500},
]
UNDONE = [f"request-{at}" for at, fate in enumerate(FATES) if fate is not None]


def named(*numbers: int) -> list[str]:
    return [f"request-{number}" for number in numbers]


CHOICES: list[tuple[dict[str, Any], list[str]]] = [
    ({"errors": [{"code": "rate_limit_exceeded"}]}, named(1, 4, 5)),
    ({"errors": [{"status": 429, "message": "Limit of req_99zz reached, try again in 1s"}]}, named(1, 4)),
    ({"errors": [{"code": "request_timeout"}, {"status": 500}]}, named(6, 7)),
    ({"errors": [{"code": "invalid_value"}], "custom_ids": named(4)}, named(2, 4)),
    ({"errors": [{}]}, UNDONE),
    ({"errors": [{"status": 429, "code": "rate_limit_exceeded"}, {"status": 429}]}, named(1, 4, 5)),
]


async def parent_of(gateway: InProcess) -> OpenAIBatch:
    """An ended batch, of which two lines have succeeded."""
    rows = [json.loads(line) for line in lines(len(FATES)).splitlines()]
    for row, fate in zip(rows, FATES, strict=True):
        if fate is not None:
            row["body"]["metadata"] = {"simulate": json.dumps(fate)}
    file = await gateway.upload("\n".join(map(json.dumps, rows)).encode())
    parent = await gateway.ended((await gateway.create(file.id)).id)
    assert ids_of((await gateway.results(parent))[1]) == UNDONE
    return parent


async def refusal(gateway: InProcess, batch_id: str, **body: Any) -> tuple[int, str | None, str]:
    async with gateway.http() as http:
        answer = await http.post(f"/batches/{batch_id}/retry", json=body)
    assert answer.status_code >= 400, answer.text
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


@ON_BOTH
async def test_named_requests_of_several_tiles_run_again(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database, max_job_requests=3) as gateway:
        parent = await parent_of(gateway)
        before = len(await ids_sent(gateway))
        child = await retry(gateway, parent.id, custom_ids=named(7, 1, 2, 7))
        ended = await gateway.ended(child.id)
        assert ended.request_counts is not None
        assert ended.request_counts.total == 3
        assert ids_of((await gateway.results(ended))[1]) == named(1, 2, 7)
        assert sorted((await ids_sent(gateway))[before:]) == [named(1, 2), named(7)]
        again = await gateway.ended((await retry(gateway, child.id, custom_ids=named(2))).id)
        assert ids_of((await gateway.results(again))[1]) == named(2)


async def test_no_tile_of_a_retry_waits_for_a_lease_to_run_out(tmp_path: Path, database: Database) -> None:
    settings = replace(ALONE, lease_seconds=100)
    async with gateway_on(tmp_path, database, max_job_requests=2, settings=settings) as gateway:
        parent = await parent_of(gateway)
        child = await retry(gateway, parent.id, custom_ids=named(1, 2, 4, 6))
        with anyio.fail_after(settings.lease_seconds / 2):
            ended = await gateway.ended(child.id)
        assert ids_of((await gateway.results(ended))[1]) == named(1, 2, 4, 6)


@ON_BOTH
async def test_shards_that_come_to_one_number_get_two(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As happens to one of some hundred retries of many tiles: here those of tiles 1 and 4 do."""
    rows = [json.loads(line) for line in lines(24).splitlines()]
    for row in rows[1::3]:
        row["body"]["metadata"] = {"simulate": json.dumps(SLOW)}
    child_id, middle = "batch_lb00000000000000000003493884", LineSet.of(3, (1,)).to_bytes()
    async with gateway_on(tmp_path, database, max_job_requests=3) as gateway:
        file = await gateway.upload("\n".join(map(json.dumps, rows)).encode())
        parent = await gateway.ended((await gateway.create(file.id)).id)
        monkeypatch.setattr("litebatch_asgi.batches.creating.new_id", {BATCH_PREFIX: child_id}.get)
        child = await retry(gateway, parent.id)
        monkeypatch.undo()
        ended = await gateway.ended(child.id)
        assert ids_of((await gateway.results(ended))[1]) == sorted(named(*range(1, 24, 3)))
        columns = "root, shard, lines_of_root"
        derived = {
            root: (number, taken)
            for root, number, taken in await gateway.database.rows(
                f"SELECT {columns} FROM file_shards WHERE batch_id = '{child_id}'"
            )
        }
    assert {bytes(taken) for _, taken in derived.values()} == {middle}
    assert derived[4][0] == derived[1][0] + 1


@pytest.mark.parametrize(("choice", "expected"), CHOICES)
async def test_requests_run_again_that_have_failed_in_one_of_some_ways(
    tmp_path: Path, database: Database, choice: dict[str, Any], expected: list[str]
) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        parent = await parent_of(gateway)
        ended = await gateway.ended((await retry(gateway, parent.id, **choice)).id)
        assert ids_of((await gateway.results(ended))[1]) == expected


async def test_what_cannot_be_chosen(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        parent = await parent_of(gateway)
        for wrong in (named(0, 1), ["nobody", "request-1"], ["request-1", "request-2", "REQUEST-4"]):
            status, code, message = await refusal(gateway, parent.id, custom_ids=wrong)
            assert (status, code) == (400, "invalid_value")
            assert "'custom_ids': 1 of them" in message
        status, _, message = await refusal(gateway, parent.id, errors=[{"code": "unheard_of"}])
        assert (status, "nothing to run" in message) == (409, True)
        assert len(await gateway.database.rows("SELECT 1 FROM batches")) == 1
        assert await gateway.database.rows("SELECT 1 FROM file_shards WHERE batch_id IS NOT NULL") == []


async def test_how_requests_have_failed_is_told_by_the_error_file_alone(
    tmp_path: Path, database: Database
) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        parent = await parent_of(gateway)
        assert parent.error_file_id is not None
        await gateway.client().files.delete(parent.error_file_id)
        status, code, message = await refusal(gateway, parent.id, errors=[{"status": 500}])
        assert (status, code) == (409, "results_unavailable")
        assert "error file cannot be read" in message
        assert (await refusal(gateway, parent.id, custom_ids=named(0, 1)))[:2] == (400, "invalid_value")
        assert (await refusal(gateway, parent.id, custom_ids=["nobody"]))[:2] == (400, "invalid_value")
        ended = await gateway.ended((await retry(gateway, parent.id, custom_ids=named(1, 2))).id)
        assert ids_of((await gateway.results(ended))[1]) == named(1, 2)


async def test_of_a_batch_that_failed_as_a_whole_requests_can_be_named(
    tmp_path: Path, database: Database
) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        refused = gateway.simulator.add_fault(
            Fault(call="validate_batch", code="invalid_json_line", times=None)
        )
        file = await gateway.upload(lines(4))
        parent = await gateway.ended((await gateway.create(file.id)).id)
        assert (parent.status, parent.error_file_id) == ("failed", None)
        gateway.simulator.remove_fault(refused)
        assert (await refusal(gateway, parent.id, errors=[{}]))[0] == 409
        assert (await refusal(gateway, parent.id, custom_ids=["nobody"]))[0] == 400
        ended = await gateway.ended((await retry(gateway, parent.id, custom_ids=named(3))).id)
        assert ids_of((await gateway.results(ended))[0]) == named(3)


async def test_in_process_limits_count_for_what_is_chosen(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database, RUNNING) as gateway:
        parent = await parent_of(gateway)
        few = replace(ALICE, limits=(Limits(scope="user:alice", max_batch_requests=1),))
        errors = [RowError(status=500)]
        child = await gateway.litebatch.batches.retry(few, parent.id, errors=errors)
        assert (child.counts.total, child.retry_of) == (1, parent.id)
        await gateway.ended(child.id)


async def test_one_key_stands_for_one_choice(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        parent = await parent_of(gateway)
        path, key = f"/batches/{parent.id}/retry", {"idempotency-key": "once"}
        async with gateway.http() as http:
            first = await http.post(path, headers=key, json={"custom_ids": named(2, 1)})
            same = await http.post(path, headers=key, json={"custom_ids": named(1, 2)})
            other = await http.post(path, headers=key, json={"custom_ids": named(1)})
            wider = await http.post(path, headers=key)
        assert first.json()["id"] == same.json()["id"]
        assert (other.status_code, wider.status_code) == (422, 422)
        await gateway.ended(first.json()["id"])
