"""Clients that keep a gateway busy, whatever happens to it, and remember what they were promised."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import anyio
import httpx2
from openai import APIConnectionError, APIStatusError, BadRequestError, NotFoundError
from openai.types import Batch, FileObject, Upload
from openai.types.uploads import UploadPart

from tests.faults.tags import JOURNEY
from tests.faults.world import World
from tests.harness import Gateway, lines
from tests.survival.lines import Sightings
from tests.survival.live import Input
from tests.survival.server import Deployed
from tests.survival.telling import Telling

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_USING: dict[str, Any] = {
    "max_tokens": 4,
    "metadata": {"simulate": {"input_tokens": 80, "cached_tokens": 7, "output_tokens": 4}},
}
_SAID_FIRST = b'{"role": "system", "content": "%s"}, ' % (b"Be brief. " * 4)


def _content(status: str) -> bytes:
    failing: dict[str, Any] = {
        "messages": [{"role": "user", "content": f"simulate {status}"}],
        "metadata": {"simulate": status},
        "max_tokens": 4,
    }
    rows = [lines(9, **_USING), *lines(12, **failing).splitlines()[9:]]
    return b"\n".join(rows).replace(b'{"role": "user"', _SAID_FIRST + b'{"role": "user"')


CONTENT = _content("429")
"""Twelve requests, three of which fail; the others use about as many tokens as is estimated.

Providers whose requests have no metadata find in the last words what is to fail, and count what is said.
"""
CONTENT_BESIDE_LIVE = _content("400")
"""The same where there are live deployments, which would try the three again and again, for seconds each."""
CALLER = "sk-a-key-of-the-team-of-all-clients"
POOR_CALLER = "sk-another-key-of-the-team-with-a-small-budget"
POOR_SHARE = 0.4
"""of the creates, how many are made with that"""
FEW_FILES, MANY_FILES = 4, 12
"""below: files are uploaded rather than used; up to: none is deleted"""
PARTS_NAME = "in-parts-"
"""what the names of files begin with that are sent in parts: no two of them have the same"""
PARTS_SHARE = 0.3
"""of the uploads, how many are sent in parts"""
MOST_TRIES = 8
"""at completing one of these, until there is an answer"""
CANARY, CANARY_SHARE = 4, 0.4
"""of how many batches for live deployments so many requests run first: more than fail of any input"""
MAY_BE_TOLD = {
    "upload": {429, 503},
    "begin": {429, 503},
    "part": {404, 429, 503},
    "complete": {404, 429, 503},
    "drop": {400, 404, 503},
    "create": {404, 429, 503},
    "cancel": {409, 503},
    "look": {503},
    "read": {404, 503},
    "delete": {503},
}
"""besides success: to come again, that the batch has ended, that a file was deleted meanwhile

That an upload is not there is said where a backup has been put back.
"""

T = TypeVar("T")


class Memory:
    """What clients were promised, beside what `World` knows: files, batches and results."""

    def __init__(self, world: World, telling: Telling) -> None:
        self.world = world
        self.telling = telling
        self.sightings = Sightings(world)
        self.cancelled: set[str] = set()
        """journeys whose cancellation was acknowledged"""
        self.maybe_cancelled: set[str] = set()
        """journeys that somebody tried to cancel"""
        self.released: set[str] = set()
        """journeys whose jobs were let run to their end"""
        self.aged: set[str] = set()
        """journeys whose window is nearly over, for a day has passed"""
        self.maybe_deleted: set[str] = set()
        """ids of files that somebody tried to delete without hearing that it is done"""
        self.deleted: set[str] = set()
        """ids of files that are deleted for certain"""
        self.ended: dict[str, str] = {}
        """last status by journey"""
        self.answers: Counter[str] = Counter()
        """how calls came out"""
        self.theirs: dict[str, str] = {}
        """in a clone: the statuses that batches of its original have to have, by id"""
        self.remembered_at = 0.0
        """the time that `recall` leads back to, in seconds since 1970"""
        self._then: dict[str, Any] = {}

    def remember(self) -> None:
        """A backup is about to be taken: all that was acknowledged so far is in it."""
        world = self.world
        self.remembered_at = time.time()
        self._then = {
            "files": dict(world.files),
            "batches": dict(world.batches),
            "results": dict(world.results),
            "deleted": set(world.deleted),
            "cancelled": set(self.cancelled),
            "ended": dict(self.ended),
        }

    def recall(self) -> None:
        """The backup has taken the place of the database: what was acknowledged since is not known to it.

        Files must not have been deleted meanwhile: what providers no longer have no backup brings back.
        """
        then = self._then
        world = self.world
        world.files, world.batches, world.results = then["files"], then["batches"], then["results"]
        world.deleted = then["deleted"]
        self.cancelled, self.ended = then["cancelled"], then["ended"]
        self.sightings.recall(self.remembered_at)
        world.stuck.clear()  # their batches may have days left again


class Client:
    """Somebody who uploads, creates, cancels, looks, reads and deletes, by chance."""

    def __init__(
        self,
        name: str,
        memory: Memory,
        gateways: Sequence[Deployed],
        chance: random.Random,
        *,
        live: bool = False,
        poison: bool = False,
    ) -> None:
        self._live, self._poison = live, poison
        self._name = name
        self._memory = memory
        self._world = memory.world
        self._gateways = gateways
        self._chance = chance
        self._made = 0

    async def run(self, pause_seconds: float, *, deletes: bool = True) -> None:
        """Go on until cancelled, resting for about `pause_seconds` between two calls."""
        acts: dict[Callable[[], Awaitable[None]], float] = {
            self.upload: 4,
            self.create: 6,
            self.cancel: 2,
            self.look: 4,
            self.read: 2,
        }
        if self._live:
            acts[self.create_live] = 6
        if deletes:
            acts |= {self.delete_file: 2, self.delete_results: 0.7}
        while True:
            (act,) = self._chance.choices(list(acts), list(acts.values()))
            await act()
            await anyio.sleep(self._chance.random() * 2 * pause_seconds)

    async def upload(self) -> None:
        """Upload a file, in one go or in parts."""
        if self._chance.random() < PARTS_SHARE:
            await self._upload_in_parts()
            return
        file = await self._try("upload", lambda gateway: gateway.upload(self._world.content))
        if file is not None:
            self._world.files[file.id] = self._world.content

    async def _upload_in_parts(self) -> None:
        """Each part to another process, perhaps; now and then somebody thinks better of it."""
        self._made += 1
        content, filename = self._world.content, f"{PARTS_NAME}{self._name}-{self._made}.jsonl"
        upload = await self._try("begin", partial(_begin, filename, len(content)))
        if upload is None:
            return
        ids: list[str] = []
        half = len(content) // 2
        for piece in (content[:half], content[half:]):
            for _ in range(MOST_TRIES):
                part = await self._try("part", partial(_send_part, upload.id, piece))
                if part is not None:
                    ids.append(part.id)
                    break
                await anyio.sleep(self._chance.random() / 4)
        if len(ids) < 2 or self._chance.random() < 0.1:
            await self._try("drop", partial(_drop, upload.id))
            return
        for _ in range(MOST_TRIES):
            file_id = await self._try("complete", partial(_complete, upload.id, ids))
            if file_id is not None:
                self._world.files[file_id] = content
                return
            await anyio.sleep(self._chance.random() / 4)

    async def create(self) -> None:
        """Create a batch on some file."""
        files = [file_id for file_id, content in self._world.files.items() if content == self._world.content]
        if len(files) < FEW_FILES:
            await self.upload()
            return
        file_id = self._chance.choice(files)
        self._made += 1
        journey = f"{self._name}-{self._made}"
        key = POOR_CALLER if self._chance.random() < POOR_SHARE else CALLER
        create = partial(_create, file_id, journey, key)
        batch = await self._try("create", create)
        if batch is not None:
            self._world.batches[journey] = batch.id

    async def create_live(self) -> None:
        """Create a batch that live deployments may run, on a file of its own."""
        self._made += 1
        given = Input(f"{self._name}-{self._made}", self._chance, has_poison=self._poison)
        self._world.contents[given.name] = given.content
        file = await self._try("upload", partial(_upload, given))
        if file is None:
            return
        self._world.files[file.id] = given.content
        key = POOR_CALLER if not given.is_long and self._chance.random() < POOR_SHARE else CALLER
        canary = CANARY if self._chance.random() < CANARY_SHARE else 0
        create = partial(_create, file.id, given.name, key, window=given.window, canary=canary)
        batch = await self._try("create", create)
        if batch is not None:
            self._world.batches[given.name] = batch.id

    async def cancel(self) -> None:
        """Cancel one of the last batches."""
        journey = self._any_of(list(self._world.batches)[-6:])
        if journey is None:
            return
        self._memory.maybe_cancelled.add(journey)
        batch = await self._try("cancel", partial(_cancel, self._world.batches[journey]))
        if batch is not None and batch.status in ("cancelling", "cancelled"):
            self._memory.cancelled.add(journey)

    async def look(self) -> None:
        """Look at a batch that has not ended."""
        open_ones = [each for each in self._world.batches if each not in self._memory.ended]
        journey = self._any_of(open_ones)
        if journey is None:
            return
        batch = await self._try("look", partial(_retrieve, self._world.batches[journey]))
        if batch is not None and batch.status in ENDED:
            self._memory.ended[journey] = batch.status

    async def read(self) -> None:
        """Read the results of a batch that has ended, for the first time."""
        journey = self._any_of([each for each in self._kept() if each not in self._world.results])
        if journey is None:
            return
        batch = await self._try("look", partial(_retrieve, self._world.batches[journey]))
        if batch is None:
            return
        results = await self._try("read", lambda gateway: gateway.results(batch))
        if results is not None:
            self._world.results[journey] = results

    async def delete_file(self) -> None:
        """Delete an input file."""
        file_id = self._any_of(list(self._world.files))
        if file_id is not None and len(self._world.files) > MANY_FILES:
            self._world.files.pop(file_id)
            await self._delete(file_id)

    async def delete_results(self) -> None:
        """Delete the results of a batch."""
        journey = self._any_of(self._kept())
        if journey is None:
            return
        batch = await self._try("look", partial(_retrieve, self._world.batches[journey]))
        if batch is None:
            return
        self._world.deleted.add(journey)
        await self._delete(*filter(None, (batch.output_file_id, batch.error_file_id)))

    async def _delete(self, *file_ids: str) -> None:
        self._memory.maybe_deleted.update(file_ids)
        for file_id in file_ids:
            if await self._try("delete", partial(_delete, file_id)):
                self._memory.maybe_deleted.discard(file_id)
                self._memory.deleted.add(file_id)

    def _kept(self) -> list[str]:
        """Journeys that have ended and whose results were not deleted."""
        return [each for each in self._memory.ended if each not in self._world.deleted]

    def _any_of(self, names: Sequence[str]) -> str | None:
        return self._chance.choice(names) if names else None

    async def _try(self, name: str, call: Callable[[Gateway], Awaitable[T]]) -> T | None:
        """Call some gateway; None if it does not answer, or not with success."""
        gateway = self._chance.choice(
            [each for each in self._gateways if each.server.serves] or self._gateways
        )
        try:
            answer = await call(gateway)
        except APIStatusError as error:
            self._memory.answers[f"{name} {error.status_code}"] += 1
            if error.status_code not in MAY_BE_TOLD[name]:
                self._world.wrong.append(f"{name} was answered with {error.status_code}: {error.message}")
        except (APIConnectionError, httpx2.TransportError):
            self._memory.answers[f"{name} cut"] += 1
        else:
            self._memory.answers[f"{name} done"] += 1
            return answer
        return None


async def _upload(given: Input, gateway: Gateway) -> FileObject:
    client = gateway.client()
    return await client.files.create(file=(given.name, given.content), purpose="batch")


async def _create(
    file_id: str, journey: str, key: str, gateway: Gateway, *, window: str = "24h", canary: int = 0
) -> Batch:
    more = {"extra_body": {"litebatch": {"canary": canary}}} if canary else {}
    return await gateway.create(
        file_id, key=key, metadata={JOURNEY: journey}, completion_window=window, **more
    )


async def _begin(filename: str, size: int, gateway: Gateway) -> Upload:
    client = gateway.client()
    return await client.uploads.create(
        bytes=size, filename=filename, mime_type="application/jsonl", purpose="batch"
    )


async def _send_part(upload_id: str, piece: bytes, gateway: Gateway) -> UploadPart:
    client = gateway.client()
    return await client.uploads.parts.create(upload_id, data=piece)


async def _complete(upload_id: str, part_ids: list[str], gateway: Gateway) -> str | None:
    """The id of the file; None where a part is not there, for a backup has been put back."""
    client = gateway.client()
    try:
        upload = await client.uploads.complete(upload_id, part_ids=part_ids)
    except BadRequestError as error:
        if "has no part" in error.message:
            return None
        raise
    return upload.file.id if upload.file is not None else None


async def _drop(upload_id: str, gateway: Gateway) -> Upload:
    client = gateway.client()
    return await client.uploads.cancel(upload_id)


async def _cancel(batch_id: str, gateway: Gateway) -> Batch:
    client = gateway.client()
    return await client.batches.cancel(batch_id)


async def _retrieve(batch_id: str, gateway: Gateway) -> Batch:
    client = gateway.client()
    return await client.batches.retrieve(batch_id)


async def _delete(file_id: str, gateway: Gateway) -> bool:
    """Delete a file; that there is none is as good."""
    client = gateway.client()
    with suppress(NotFoundError):
        await client.files.delete(file_id)
    return True
