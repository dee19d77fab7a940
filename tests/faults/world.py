"""A gateway in front of its providers, and what it has acknowledged so far."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import anyio
import httpx2
from openai import APIConnectionError, APIStatusError, ConflictError
from openai.types import Batch

from litebatch_asgi.models.ids import family_of
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.simulator import Account, Simulator
from litebatch_asgi.simulator.objects import BatchObject
from tests.database import Database
from tests.faults.tags import JOURNEY, Tags
from tests.harness import MODEL, PATIENCE_SECONDS, UPSTREAM, Gateway, InProcess, lines, rows_of
from tests.translated import deployed

RUN, CANCEL = "run", "cancel"
CONTENT = b"\n".join([lines(9), *lines(12, metadata={"simulate": "429"}).splitlines()[9:]])
"""Twelve requests, three of which fail."""
_FAILING: dict[str, Any] = {
    "messages": [{"role": "user", "content": "simulate 429"}],
    "metadata": {"simulate": "429"},
}
TEXTUAL = b"\n".join([lines(9, max_tokens=50), *lines(12, max_tokens=50, **_FAILING).splitlines()[9:]])
"""The same, also for providers whose requests have no metadata: there the last words ask for it."""
IDS = sorted(f"request-{number}" for number in range(12))
OPEN = ("validating", "in_progress", "finalizing")
THEIRS = "theirs"
"""the key with which others come to the accounts"""


def at(deployment: str, content: bytes = CONTENT) -> bytes:
    """What a deployment's copy of a file holds."""
    upstream = (UPSTREAM | deployed.UPSTREAM).get(deployment, UPSTREAM["west"])
    return content.replace(f'"{MODEL}"'.encode(), f'"{upstream}"'.encode())


class World:
    """The gateway, its providers and its promises."""

    def __init__(self, gateway: Gateway, database: Database, provider: str, installation: str) -> None:
        self.gateway = gateway
        self.database = database
        self.provider = provider
        """the address of the simulator"""
        self.installation = installation
        self.tags = Tags(installation)
        self.content = CONTENT
        """what is uploaded"""
        self.contents: dict[str, bytes] = {}
        """by journey, what is uploaded for it instead"""
        self.simulator = gateway.simulator
        self.foreign = possessions(self.simulator)
        """what others have at the providers"""
        self.files: dict[str, bytes] = {}
        """acknowledged and not deleted, with what was sent"""
        self.batches: dict[str, str] = {}
        """ids by journey"""
        self.results: dict[str, tuple[bytes, bytes]] = {}
        """output and errors by journey, as they were first read"""
        self.deleted: set[str] = set()
        """journeys whose results were deleted"""
        self.holds_runs = False
        """whether no batch may end for now"""
        self.stuck: set[str] = set()
        """ids of providers' batches that do not end by themselves"""
        self.copied: frozenset[str] = frozenset()
        """ids of batches that came with a copy of the database, which leaves their stories to the original"""
        self.lost_times: tuple[float, float] | None = None
        """of a history that was lost with a restore: its beginning and end, in seconds since 1970"""
        self.neighbours: list[World] = []
        """other installations of ours at the same accounts, which come and go with this one"""
        self.wrong: list[str] = []
        """what was seen on the way that may never be"""

    @property
    def accounts(self) -> list[Account]:
        """The provider accounts."""
        return list(self.simulator.accounts.values())

    def content_of(self, journey: str) -> bytes:
        """What was uploaded for a journey."""
        return self.contents.get(journey, self.content)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the gateway's database says."""
        return await self.database.rows(statement)

    async def learn(self) -> None:
        """Learn which jobs there are, for providers that tell less than we know."""
        if await self.tags.learn(self.database):
            self.simulator.wakeup.notify()

    async def keep_learning(self) -> None:
        """The same, again and again."""
        while True:
            await self.learn()
            await anyio.sleep(0.02)

    async def upload(self, content: bytes | None = None) -> str:
        """Upload until the gateway acknowledges; until then it may say that it cannot now."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    file = await self.gateway.upload(content or self.content)
                except APIStatusError as error:
                    if error.status_code not in (429, 500, 503):
                        raise
                else:
                    self.files[file.id] = content or self.content
                    return file.id

    async def create(self, file_id: str, journey: str) -> str:
        """Create a batch."""
        batch = await self.gateway.create(file_id, metadata={JOURNEY: journey})
        self.batches[journey] = batch.id
        return batch.id

    async def ended(self, journey: str) -> None:
        """Wait for the end of a batch; that none comes is noted."""
        try:
            await self.gateway.ended(self.batches[journey])
        except TimeoutError:
            self.wrong.append(f"{journey} does not end")

    async def cancel(self, journey: str) -> None:
        """Cancel a batch, unless it has ended; a gateway that fails on it is asked once more."""
        client = self.gateway.client().with_options(max_retries=1)
        try:
            await client.batches.cancel(self.batches[journey])
        except ConflictError:
            await self.ended(journey)

    async def batch(self, journey: str) -> Batch:
        """A batch as its owner sees it."""
        client = self.gateway.client()
        return await client.batches.retrieve(self.batches[journey])

    async def read(self, file_id: str | None) -> bytes:
        """The content of a file; a reader that is cut off, or asked to come later, tries again."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    return await self.gateway.content(file_id)
                except APIStatusError as error:
                    if error.status_code != 503:
                        raise
                except (APIConnectionError, httpx2.TransportError):
                    pass
                await anyio.sleep(0.02)

    async def delete(self, file_id: str, journey: str) -> None:
        """Delete a file, and the results of a journey."""
        client = self.gateway.client()
        batch = await self.batch(journey)
        for each in (file_id, batch.output_file_id, batch.error_file_id):
            if each is not None:
                await client.files.delete(each)
        del self.files[file_id]
        self.deleted.add(journey)

    def jobs(self, journey: str | None = None) -> list[tuple[Account, BatchObject]]:
        """The providers' batches that the gateway has made, for a journey or for any."""
        wanted = {TAG_INSTALLATION: self.installation} | ({JOURNEY: journey} if journey else {})
        return [
            (account, batch)
            for account in self.accounts
            for batch in (self.tags.told(progress.batch) for progress in account.batch_store.ever())
            if wanted.items() <= (batch.metadata or {}).items()
        ]

    def open_jobs(self, journey: str) -> list[tuple[Account, BatchObject]]:
        """Those that are not over, nor about to be cancelled."""
        return [
            job for job in self.jobs(journey) if job[1].status in ("validating", "in_progress", "finalizing")
        ]

    def lost(self, journey: str) -> int:
        """How many rows of the results say that the provider has lost them."""
        _, errors = self.results.get(journey, (b"", b""))
        return [row["error"] and row["error"]["code"] for row in rows_of(errors)].count("batch_line_lost")

    def lonely_jobs(self, journey: str) -> list[tuple[Account, BatchObject]]:
        """Those of them that are the only ones of their shard, and not stuck."""
        of_shard: dict[str, list[tuple[Account, BatchObject]]] = {}
        for job in self.open_jobs(journey):
            of_shard.setdefault(family_of((job[1].metadata or {})[TAG_JOB]), []).append(job)
        return [jobs[0] for jobs in of_shard.values() if len(jobs) == 1 and jobs[0][1].id not in self.stuck]

    async def let_run(self, journey: str = RUN) -> None:
        """Let a job of a journey end once it is the only one of its shard and the gateway knows of it."""
        while True:
            await self.simulator.until(partial(self._has_lonely_job, journey))
            followed = await self.rows("SELECT provider_batch_id FROM jobs WHERE state = 'submitted'")
            for account, batch in self.lonely_jobs(journey):
                if (batch.id,) in followed:
                    account.release(batch.id)
            await anyio.sleep(0.02)

    async def let_a_day_pass(self, batch_id: str, but_seconds: float) -> None:
        """Let a batch be made a day ago, but for so many seconds."""
        expires_at = int((time.time() + but_seconds) * 1_000_000)
        created_at = expires_at - 24 * 3600 * 1_000_000
        await self.database.change(
            f"UPDATE batches SET created_at = {created_at}, expires_at = {expires_at} WHERE id = '{batch_id}'"
        )

    async def let_doubtful_end(self) -> None:
        """Let batches end that may be ours, where one tells at its end only whose it is."""
        while True:
            for account, batch in await self.doubtful():
                if not self.holds_runs:
                    account.release(batch.id)
            await anyio.sleep(0.02)

    async def doubtful(self) -> list[tuple[Account, BatchObject]]:
        """Open batches of ours that tell at their end only whose they are, while no row of a job says so.

        Those that only a lost part of history knew are among them.
        """
        known = {batch.id for _, batch in self.jobs()}  # so that the job's row would be there by now
        certain = await self.rows(
            "SELECT id FROM jobs WHERE state NOT IN ('waiting', 'unclear', 'watched')"
            " OR provider_batch_id IS NOT NULL"
        )
        return [
            (account, batch)
            for account, batch in self.jobs()
            if account.settings.flavour == "anthropic"
            and batch.status == "in_progress"
            and batch.id in known
            and ((batch.metadata or {})[TAG_JOB],) not in certain
        ]

    def _has_lonely_job(self, journey: str) -> bool:
        return not self.holds_runs and bool(self.lonely_jobs(journey))


async def world_of(gateway: InProcess, provider: str) -> World:
    """The world of a gateway that runs."""
    return await world_on(gateway, gateway.database, provider)


async def world_on(gateway: Gateway, database: Database, provider: str) -> World:
    """The world of a gateway that runs on this database."""
    ((installation,),) = await database.rows("SELECT id FROM installation")
    return World(gateway, database, provider, installation)


def client_of(account: Account, provider: str, key: str) -> httpx2.AsyncClient:
    """Plain HTTP to an account, past the gateway."""
    base = "/v1" if account.settings.flavour == "openai" else "/openai/v1"
    return httpx2.AsyncClient(
        base_url=f"{provider}/{account.name}{base}", headers={"authorization": f"Bearer {key}"}, verify=False
    )


async def put_file(http: httpx2.AsyncClient, filename: str, content: bytes) -> str:
    """Upload a batch input; its id there."""
    answer = await http.post("/files", data={"purpose": "batch"}, files={"file": (filename, content)})
    file_id: str = answer.raise_for_status().json()["id"]
    return file_id


def possessions(simulator: Simulator) -> dict[str, str]:
    """The status of each file and batch at the providers, by account and id."""
    found: dict[str, str] = {}
    for account in simulator.accounts.values():
        found |= {f"{account.name}/{file.id}": file.status for file in account.files.values()}
        found |= {f"{account.name}/{batch.id}": batch.status for batch in account.batches.values()}
    return found
