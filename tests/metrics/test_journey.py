"""What a batch moves on its way, over real sockets."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from litebatch_asgi.simulator.faults import Fault
from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import Database, SQLiteDatabase
from tests.harness import MODEL, lines
from tests.metrics.scraping import Scrape, scraped, until


async def scrape_of(gateway: Standalone) -> Scrape:
    return await scraped(gateway.address, MASTER)


async def test_a_whole_batch(tmp_path: Path, database: Database) -> None:
    content = lines(5)
    async with standalone(tmp_path, database) as gateway:
        key = await gateway.new_key()
        file = await gateway.upload(content, key=key)
        batch = await gateway.ended((await gateway.create(file.id, key=key)).id, key=key)
        assert batch.status == "completed"
        assert batch.usage is not None
        scrape = await until(gateway.address, MASTER, "managed_batch_duration_seconds_count", 1)
        (job,) = gateway.provider_jobs()
        await gateway.client(key).files.delete(file.id)
        later = await scrape_of(gateway)
    assert scrape.of("managed_file_created_total", purpose="batch") == 1
    assert scrape.of("managed_file_size_bytes_sum", purpose="batch") == len(content)
    assert scrape.of("managed_file_upload_duration_seconds_count", purpose="batch") == 1
    assert 0 < scrape.of("managed_file_upload_duration_seconds_sum") < 30
    assert scrape.of("managed_batch_created_total", model=MODEL) == 1
    assert scrape.of("managed_batch_duration_seconds_count", model=MODEL, status="completed") == 1
    assert 0 < scrape.of("managed_batch_duration_seconds_sum") < 30
    assert scrape.of("settle_duration_seconds_count") >= 1
    (where,) = [name for name, each in gateway.simulator.accounts.items() if job.id in each.batches]
    told = {"deployment": where, "outcome": "ok"}
    for account in ("east", "west"):
        calls = {"call": "upload_file", "deployment": account, "outcome": "ok"}
        assert scrape.of("provider_call_duration_seconds_count", **calls) == 1
    for call, least in (("create_batch", 1), ("retrieve_batch", 1), ("stream_file", 1)):
        assert scrape.of("provider_call_duration_seconds_count", call=call, **told) >= least
    assert scrape.of("input_tokens_total", model=MODEL, deployment=where) == batch.usage.input_tokens > 0
    assert scrape.of("output_tokens_total", model=MODEL, deployment=where) == batch.usage.output_tokens > 0
    requests = {"route": "/files", "method": "POST", "status_code": "200"}
    assert scrape.of("proxy_requests_total", **requests) == 1
    assert scrape.of("proxy_requests_total", route="/batches/{id}", method="GET", status_code="200") >= 1
    assert scrape.of("proxy_requests_total", route="/key/generate", status_code="200") == 1
    assert scrape.of("managed_file_deleted_total") == 0
    assert later.of("managed_file_deleted_total") == 1


async def test_a_deployment_that_refuses_rests(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        before = await scrape_of(gateway)
        busy = Fault(
            call="create_batch", account="east", status=429, times=None, headers={"retry-after": "90"}
        )
        gateway.simulator.add_fault(busy)
        west = Fault(call="create_batch", account="west", status=401, times=None)
        removed = gateway.simulator.add_fault(west)
        file = await gateway.upload(key=MASTER)
        batch = await gateway.create(file.id, key=MASTER)
        resting = await until(
            gateway.address,
            MASTER,
            "deployment_cooled_down_total",
            1,
            deployment="west",
            reason="key_rejected",
        )
        gateway.simulator.remove_fault(removed)
        await gateway.ended(batch.id, key=MASTER)
        after = await scrape_of(gateway)
    name = "deployment_resting_until_timestamp_seconds"
    assert before.labels(name, "deployment") == {"east", "west", "north"}
    assert before.of(name) == 0
    assert resting.of("deployment_cooled_down_total", deployment="east", reason="busy") == 1
    assert resting.of(name, deployment="east") > 1e9
    assert resting.of(name, deployment="west") > 1e9
    refused = {"call": "create_batch", "outcome": "refused"}
    assert resting.of("provider_call_duration_seconds_count", deployment="east", **refused) == 1
    assert after.of(name, deployment="west") == 0
    assert after.of(name, deployment="east") > 1e9


async def test_no_label_takes_what_a_client_makes_up(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        key = await gateway.new_key()
        async with gateway.http(key) as http:
            for path in ("/nothing-here", "/files/file-x", "/batches/batch_x", "/models/any/of/them"):
                await http.get(path)
            await http.request("BREW", "/files")
        with pytest.raises(openai.BadRequestError):
            await gateway.upload(lines(model="made-up"), key=key)
        scrape = await scrape_of(gateway)
    assert scrape.of("proxy_requests_total", route="other", status_code="404") == 1
    assert scrape.of("proxy_requests_total", route="/files/{id}", status_code="404") == 1
    assert scrape.of("proxy_requests_total", route="/files", method="POST", status_code="400") == 1
    assert scrape.labels("proxy_requests_total", "method") <= {"GET", "POST", "other"}
    for secret in ("made-up", key, "file-x", "batch_x"):
        assert not any(secret in value for each in scrape.samples for value in each.labels.values())
