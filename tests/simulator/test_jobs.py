"""Which lines each batch could run, and when."""

from __future__ import annotations

import time
from collections import Counter

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Course, Fault, JobRecord, Simulator, overlaps
from litebatch_asgi.simulator.running_order import lines_done, running_order

from . import anthropic
from .journeys import by_id, download, finished, jsonl, line, plain_http, stock_client, submit

TEN = jsonl(*[line(str(number)) for number in range(10)])


async def test_a_job_tells_its_lines_and_its_times(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    begun = time.time()
    # whatever the account's clock says
    account.configure(course=Course(ends_at=0.3), clock_offset=9000.0)
    batch = await finished(client, account, TEN, metadata={"job": "a"})
    (job,) = await simulator.jobs()
    assert (job.account, job.flavour, job.id, job.status) == ("east", "openai", batch.id, "expired")
    assert (job.model, job.metadata, job.input_file_id) == (
        "gpt-4o-mini",
        {"job": "a"},
        batch.input_file_id,
    )
    assert job.ended_at is not None
    times = [at for _, at in job.history]
    assert [status for status, _ in job.history] == ["validating", "in_progress", "expired"]
    assert begun <= job.created_at == times[0] <= times[1] <= times[2] == job.ended_at <= time.time()
    assert job.custom_ids == tuple(map(str, range(10)))
    assert job.digests is not None
    assert len(set(job.digests)) == 10
    done = by_id(await download(client, batch.output_file_id))
    assert {str(index) for index in job.ran} == set(done)
    (create,) = simulator.journal.select("create_batch")
    assert job.created_at <= create.time <= job.ended_at


async def test_a_job_is_there_however_its_create_was_answered(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    account.configure(hold=["validating"])
    account.add_fault(Fault(call="create_batch", drop=True, when="after"))
    with pytest.raises(openai.APIConnectionError):
        await submit(client, TEN)
    (job,) = await simulator.jobs()
    assert (job.status, job.ended_at, job.ran) == ("validating", None, ())
    assert job.custom_ids == tuple(map(str, range(10)))


async def test_a_line_that_two_jobs_could_run_is_found(address: str, simulator: Simulator) -> None:
    east, west = (simulator.account(name) for name in ("east", "west"))
    west.configure(course=Course(stuck_at=0.5), hold=["cancelling"])
    async with stock_client(address, "east") as there, stock_client(address, "west") as here:
        done = await finished(there, east, TEN)
        stuck = await submit(here, TEN)
        await west.reached(stuck.id, "in_progress")
        assert overlaps(await simulator.jobs()) == []
        await here.batches.cancel(stuck.id)
        early = await finished(there, east, jsonl(line("3"), line("new")))
        await west.advance(stuck.id)
        late = await finished(there, east, TEN)
    jobs = await simulator.jobs()
    assert {job.id for job in jobs} == {done.id, stuck.id, early.id, late.id}
    for by in ("custom_id", "digest"):
        (overlap,) = overlaps(jobs, by=by)
        assert (overlap.first, overlap.second) == (("west", stuck.id), ("east", early.id))
        if by == "custom_id":
            assert overlap.line == "3"


async def test_lines_are_told_by_what_they_say(address: str, simulator: Simulator) -> None:
    """Anthropic has other ids, and other bodies."""
    simulator.account("claude").configure(flavour="anthropic", course=Course(stuck_at=0.0))
    async with anthropic.anthropic_client(address, "claude") as client:
        await client.messages.batches.create(requests=[anthropic.request("0", "hello a")])
    async with stock_client(address) as other:
        await finished(other, simulator.account("east"), jsonl(line("a"), line("0")))
    (overlap,) = overlaps(await simulator.jobs())
    first, second = await simulator.jobs()
    assert first.digests is not None
    assert second.digests is not None
    assert overlap.line == first.digests[0] == second.digests[0]
    assert [each.line for each in overlaps(await simulator.jobs(), by="custom_id")] == ["0"]


async def test_jobs_without_an_input_have_no_lines(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    account.add_foreign_batches(1)
    batch = await client.batches.create(
        input_file_id="file-a", endpoint="/v1/chat/completions", completion_window="24h"
    )
    await account.reached(batch.id)
    await finished(client, account, b'{"custom_id": "a"}\n{"custom_id": "b"}\n')
    jobs = await simulator.jobs()
    assert [job.custom_ids for job in jobs] == [None, None, ("", "")]
    assert all(job.ended_at is not None and job.ran == () for job in jobs)


async def test_jobs_are_told_over_http(
    address: str, client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    batch = await finished(client, account, TEN)
    async with plain_http(base_url=f"{address}/_simulator") as control:
        told = await jobs_of(control, "east")
        assert await jobs_of(control, "west") == []
    (job,) = await simulator.jobs()
    assert told == [
        {
            "account": "east",
            "flavour": "openai",
            "id": batch.id,
            "model": "gpt-4o-mini",
            "input_file_id": batch.input_file_id,
            "metadata": None,
            "status": "completed",
            "created_at": job.created_at,
            "ended_at": job.ended_at,
            "history": [list(each) for each in job.history],
            "custom_ids": list(map(str, range(10))),
            "digests": list(job.digests or ()),
            "ran": list(job.ran),
        }
    ]


async def jobs_of(control: httpx2.AsyncClient, account: str) -> list[object]:
    told: list[object] = (await control.get("/jobs", params={"account": account})).json()["jobs"]
    return told


def record(number: int, created_at: float, ended_at: float | None, lines: frozenset[str]) -> JobRecord:
    return JobRecord(
        account="east",
        flavour="openai",
        id=str(number),
        model=None,
        input_file_id="",
        metadata=None,
        status="completed",
        created_at=created_at,
        ended_at=ended_at,
        history=(),
        custom_ids=tuple(lines),
        digests=(),
        ran=(),
    )


SPANS = st.tuples(st.integers(0, 50), st.none() | st.integers(0, 20), st.frozensets(st.sampled_from("abc")))


@given(st.lists(SPANS, max_size=6, unique_by=lambda span: span[0]))
def test_overlaps_are_lines_that_were_twice_anywhere_at_one_moment(
    spans: list[tuple[int, int | None, frozenset[str]]],
) -> None:
    jobs = [
        record(number, start, None if lasts is None else start + lasts, lines)
        for number, (start, lasts, lines) in enumerate(spans)
    ]
    moments = {job.created_at for job in jobs}
    twice = {
        name
        for moment in moments
        for name, times in Counter(
            name
            for job in jobs
            if job.created_at == moment
            or job.created_at < moment < (100 if job.ended_at is None else job.ended_at)
            for name in job.custom_ids or ()
        ).items()
        if times > 1
    }
    assert {each.line for each in overlaps(jobs, by="custom_id")} == twice


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_lines_are_run_one_after_the_other_and_evenly(lines: int, one: float, other: float) -> None:
    order = running_order(lines)
    assert sorted(order) == list(range(lines))
    less, more = sorted(lines_done(lines, share) for share in (one, other))
    assert 0 <= less <= more <= lines
    half = set(order[: lines_done(lines, 0.5)])
    assert half == set(range(1, lines, 2))
    assert lines_done(lines, 1.0) == lines


def test_shares_that_are_no_binary_fractions_are_whole_lines() -> None:
    for lines in (10, 100, 1000):
        assert [lines_done(lines, number / lines) for number in range(lines + 1)] == list(range(lines + 1))
