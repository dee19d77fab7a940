"""What live deployments were sent of each line, how often, and why: nothing again that was stored before."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Container, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import anyio

from litebatch_asgi.simulator import RequestEntry
from tests.faults.tags import JOURNEY
from tests.faults.world import World
from tests.harness import rows_of
from tests.survival.databases import AWAY
from tests.survival.live import line_of, may_fail
from tests.survival.server import Life
from tests.survival.settings import LIVE_TIMEOUT_SECONDS

LOOK_SECONDS = 0.1
"""between two looks at what is stored"""
NOTICED_SECONDS = 0.5
"""within which the end of a process is noticed"""
WRITTEN_SECONDS = 5.0
"""within which an answer is stored by its process, on a machine that has other things to do"""
LEAST_LAPSES = 3
"""that were seen of an input's ranges where one of its lines was given up, which takes four at least"""
READ_SECONDS = 1.0
"""within which an answer is read that was sent"""
_REPEATED = frozenset({401, 403, 404, 408, 425, 429, "cut", "left", "in_progress"})
"""outcomes after which a request is sent again; after those from 500 on as well"""

Line: TypeAlias = tuple[str, str]
"""its journey, and its custom id"""


class Sightings:
    """Results of live lines with which these are done, and when they were seen to be stored."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: dict[str, int] = {}
        self.seen: dict[Line, float] = {}
        """seconds since 1970"""
        self._claims: dict[tuple[str, int], tuple[int, float]] = {}
        """of ranges: the epoch, and when the claim ends"""
        self.lapses: defaultdict[str, list[float]] = defaultdict(list)
        """by journey: when somebody was seen to have a range whose claim had lapsed before"""

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
            except AWAY:
                self._done.clear()
            await anyio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        await self._look_at_claims()
        ranges = await self._world.rows(
            "SELECT job_id, CAST(sum(done) AS integer) FROM line_ranges GROUP BY job_id"
        )
        changed = [job_id for job_id, done in ranges if self._done.get(job_id, 0) != done]
        if not changed:
            return
        among = ", ".join(f"'{job_id}'" for job_id in changed)
        results = await self._world.rows(
            'SELECT metadata, "row" FROM line_results JOIN jobs ON jobs.id = job_id'
            f" JOIN batches ON batches.id = batch_id WHERE job_id IN ({among})"
        )
        now = time.time()
        for metadata, text in results:
            row = json.loads(bytes(text))
            if _is_for_good(row):
                self.seen.setdefault((json.loads(metadata)[JOURNEY], row["custom_id"]), now)
        self._done.update((job_id, done) for job_id, done in ranges)

    async def _look_at_claims(self) -> None:
        """See which ranges have changed hands, and whether their claims had run out by then.

        One whose claim was let run on, and lapsed and was taken all since the last look, is among them.
        """
        claims = await self._world.rows(
            "SELECT job_id, seq, line_ranges.epoch, claimed_until, metadata FROM line_ranges"
            " JOIN batches ON batches.id = batch_id WHERE claimed_until IS NOT NULL"
        )
        now = time.time()
        for job_id, seq, epoch, until, metadata in claims:
            before, ended_at = self._claims.get((job_id, seq), (0, now))
            if epoch > before > 0 and ended_at < now:
                self.lapses[json.loads(metadata)[JOURNEY]].append(now)
            self._claims[job_id, seq] = epoch, until / 1_000_000

    def recall(self, until: float) -> None:
        """A backup has taken the place of the database: what was seen later is not there any more."""
        self.seen = {line: seen for line, seen in self.seen.items() if seen < until}
        self._done.clear()
        self._claims.clear()


def _is_for_good(row: dict[str, Any]) -> bool:
    """Whether no other job is to run a line again that has come to this."""
    return row["response"] is not None and row["response"]["status_code"] in (200, 400)


class Sent:
    """What live deployments were sent by processes of an installation."""

    def __init__(self, world: World, lives: Mapping[str, Life], sightings: Sightings) -> None:
        self._lives = lives
        self._sightings = sightings
        self._first_sent: dict[tuple[str | None, str], float] = {}
        self._cuts: defaultdict[str, list[float]] = defaultdict(list)
        self.lines: defaultdict[Line, list[RequestEntry]] = defaultdict(list)
        """of this world, by whomever they were sent; the first one first"""
        self.repeated = 0
        """how many requests were sent again although they had been answered for good"""
        for entry in world.simulator.requests.select():
            if entry.status == "cut":
                self._cuts[entry.account].append(entry.answered or entry.received)
            if (line := line_of(entry)) is not None and line[0] in world.contents:
                self.lines[line].append(entry)
                self._first_sent.setdefault((entry.api_key, line[0]), entry.received)
        for entries in self.lines.values():
            entries.sort(key=lambda entry: entry.received)

    def wrong(self) -> Iterator[str]:
        """What was sent that should not have been."""
        seen = self._sightings.seen
        for line, entries in self.lines.items():
            for entry in entries:
                if entry.api_key not in self._lives:
                    yield f"{line} was sent by {entry.api_key}, who is no process of ours"
                elif entry.received > seen.get(line, entry.received) and not self._was_held_up(line, entry):
                    late = entry.received - seen[line]
                    yield f"{line} was sent {late:.2f} s after its result was stored: {self._told(entries)}"
            for before, after in pairwise(entries):
                if not self._is_final(before):
                    continue
                self.repeated += 1
                if not (self._is_lost(line, before, after) or self._was_held_up(line, after)):
                    yield f"{line} was answered and sent again: {self._told(entries)}"

    def _is_final(self, entry: RequestEntry) -> bool:
        """Whether whoever sent it has certainly got an answer after which it is not sent again."""
        if entry.status in _REPEATED or (isinstance(entry.status, int) and entry.status >= 500):
            return False
        assert entry.answered is not None
        if entry.answered - entry.received > LIVE_TIMEOUT_SECONDS / 2:
            return False  # it may not have been waited for
        return not any(abs(cut - entry.answered) < READ_SECONDS for cut in self._cuts[entry.account])

    def _is_lost(self, line: Line, entry: RequestEntry, later: RequestEntry) -> bool:
        """Whether who has sent it may have been lost with the answer, before the same was sent again.

        Also to a machine that was too busy to let it go on before its claim had lapsed.
        """
        lapses = self._sightings.lapses[line[0]]
        if any(entry.received < lapsed < later.received + NOTICED_SECONDS for lapsed in lapses):
            return True
        life = self._lives[entry.api_key or ""]
        assert entry.answered is not None
        if any(since < later.received and entry.received < until for since, until in life.stops):
            return True
        if life.ended_at is None or life.ended_at > later.received + NOTICED_SECONDS:
            return False
        if life.told_to_end_at is not None:
            return entry.answered > life.told_to_end_at - READ_SECONDS
        return entry.answered > life.ended_at - WRITTEN_SECONDS

    def _was_held_up(self, line: Line, entry: RequestEntry) -> bool:
        """Whether its sender was stopped with it, or had lost the claim before: it was begun earlier."""
        stops = self._lives[entry.api_key or ""].stops
        if any(since < entry.received < until + READ_SECONDS for since, until in stops):
            return True
        began = self._first_sent[entry.api_key, line[0]]
        return any(began < lapsed < entry.received for lapsed in self._sightings.lapses[line[0]])

    def _told(self, entries: Sequence[RequestEntry]) -> str:
        told = [(each.api_key, each.status, each.received, each.answered) for each in entries]
        lives = {each.api_key: self._lives.get(each.api_key or "") for each in entries}
        return f"{told}, {lives}"


async def wrong_lines(world: World, *, repair_seconds: float) -> AsyncIterator[str]:
    """Live jobs are over and hold nothing, and their sums are those of their results."""
    with anyio.move_on_after(repair_seconds):
        while await _leaked(world):  # noqa: ASYNC110 - another process
            await anyio.sleep(LOOK_SECONDS)
    for text in await _leaked(world):
        yield text
    rows = await world.rows(
        "SELECT job_id, seq, metadata, done, failed, (SELECT count(*) FROM line_results WHERE job_id ="
        " line_ranges.job_id AND line >= first_line AND line < end_line), (SELECT count(*) FROM line_results"
        " WHERE job_id = line_ranges.job_id AND line >= first_line AND line < end_line AND kind = 'error')"
        " FROM line_ranges LEFT JOIN batches ON batches.id = batch_id"
    )
    for job_id, seq, metadata, *told, results, errors in rows:
        is_whole = metadata is not None and json.loads(metadata)[JOURNEY] not in world.deleted
        handed_on = [told[0] - told[1], 0]  # errors that other jobs were to make good for: they are swept
        if is_whole and [results, errors] not in (told, handed_on):
            yield f"range {job_id}/{seq} tells of {told} results and errors, and has {results} and {errors}"
    outside = await world.rows(
        "SELECT job_id, line FROM line_results WHERE NOT EXISTS (SELECT 1 FROM line_ranges WHERE"
        " line_ranges.job_id = line_results.job_id AND line >= first_line AND line < end_line)"
    )
    for place in outside:
        yield f"a result is in no range: {place}"


async def _leaked(world: World) -> list[str]:
    """What is still claimed or due, when all batches have ended."""
    ranges = await world.rows(
        "SELECT job_id, seq, next_check_at, claimed_by, claimed_until FROM line_ranges"
        " WHERE next_check_at IS NOT NULL OR claimed_by IS NOT NULL OR claimed_until IS NOT NULL"
    )
    alone = await world.rows(f"SELECT * FROM line_alone WHERE until > {int(time.time() * 1_000_000)}")
    return [
        *(f"range still claimed or due: {row}" for row in ranges),
        *(f"still alone: {row}" for row in alone),
    ]


async def failed_innocents(
    world: World, spared: Container[str], lapses: Mapping[str, Sequence[float]]
) -> AsyncIterator[str]:
    """Lines of live inputs that have failed although nothing was wrong with them.

    `spared`: journeys of batches that may end without some rows; `lapses` as `Sightings` has them: a line
    that was begun each time by somebody who was lost then may be given up.
    """
    for journey, content in world.contents.items():
        _, errors = world.results.get(journey, (b"", b""))
        if journey in spared or not errors:
            continue
        guilty = {line["custom_id"] for line in rows_of(content) if may_fail(line)}
        for row in rows_of(errors):
            is_unlucky = len(lapses.get(journey, ())) >= LEAST_LAPSES and _is_given_up(row)
            if row["custom_id"] not in guilty and not is_unlucky:
                yield f"{row['custom_id']} of {journey} has failed: {_reason(row)}"


def _is_given_up(row: dict[str, Any]) -> bool:
    return row["error"] is not None and row["error"]["code"] == "line_abandoned"


def _reason(row: dict[str, Any]) -> Any:
    return row["error"] or row["response"]
