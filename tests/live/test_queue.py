"""What goes next: requests that were unanswered before wait behind all others, and hold up nobody."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import LiveLine
from litebatch_asgi.live.answers import AnswerBudget
from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.live.inputs import ModelNames
from litebatch_asgi.live.places import Place, Places
from litebatch_asgi.live.queue import BEHIND_SECONDS, DOUBTFUL_SHARE, LineQueue
from litebatch_asgi.live.suspects import Suspects
from litebatch_asgi.models import LineRange

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMEOUT = 120.0


def a_range(owner: str, lines: int, *, hanging: int = 0, hours: int = 24) -> HeldRange:
    """A range whose first requests hang: they were unanswered before."""
    claim = LineRange(
        job_id=f"job_lb{owner}",
        seq=0,
        batch_id=f"batch_lb{owner}",
        owner=owner,
        deployment_id="live",
        first_line=0,
        end_line=lines,
        lines=lines,
        start=0,
        bytes=lines,
        expires_at=START + timedelta(hours=hours),
    )
    held = HeldRange(
        claim,
        (LiveLine(line=each, text=b"{}") for each in range(lines)),
        ModelNames("m", "m"),
        runs_until=1e9,
    )
    for _ in range(hanging):
        pending = held.waiting.popleft()
        pending.is_doubtful = True
        held.doubtful.append(pending)
    return held


class Server:
    """One that never answers doubtful requests, and all others after a second."""

    def __init__(self, room: int, *ranges: HeldRange) -> None:
        self.now = 0.0
        self.room = room
        self.queue = LineQueue()
        self.suspects = Suspects()
        self.places = Places(AnswerBudget())
        self.under_way: list[tuple[float, HeldRange, PendingLine, Place, float]] = []
        self.done: list[tuple[float, str, bool]] = []
        """when, whose, and whether it was doubtful"""
        for each in ranges:
            self.queue.add(each)

    @property
    def doubtful(self) -> int:
        """How many of them are under way."""
        return sum(pending.is_doubtful for _, _, pending, _, _ in self.under_way)

    def begin(self) -> None:
        """Begin what may."""
        while self.places.taken < self.room:
            chosen = self.queue.next(
                self.now, seconds=TIMEOUT, places=self.places, room=self.room, suspects=self.suspects
            )
            if chosen is None:
                return
            held, pending = chosen
            held.take(pending)
            self.queue.begun(held, pending)
            ends = self.now + (TIMEOUT if pending.is_doubtful else 1.0)
            self.under_way.append((ends, held, pending, self.places.take(held.claim.owner), self.now))

    def step(self) -> None:
        """Let a second pass."""
        self.begin()
        self.now += 1.0
        for each in [each for each in self.under_way if each[0] <= self.now]:
            _, held, pending, place, began = each
            self.under_way.remove(each)
            place.free()
            self.queue.ended(was_doubtful=pending.is_doubtful, began=began, now=self.now, room=self.room)
            self.done.append((self.now, held.claim.owner, pending.is_doubtful))

    def waits(self) -> bool:
        """Whether a request waits that was never unanswered."""
        return any(held.waiting for held in self.queue.held)


@settings(max_examples=25)
@given(room=st.integers(1, 40), hanging=st.integers(0, 60), lines=st.integers(0, 400))
def test_those_that_hang_leave_most_places_to_others(room: int, hanging: int, lines: int) -> None:
    server = Server(room, a_range("alice", lines + hanging, hanging=hanging))
    for _ in range(60):
        waited = server.waits()
        server.step()
        if waited and server.waits():
            assert server.doubtful <= max(1, room // DOUBTFUL_SHARE)
        assert server.doubtful <= max(1, room // 2)
        if server.waits():
            assert server.places.taken == room or room - server.doubtful > 0


@settings(max_examples=25)
@given(room=st.integers(1, 40), hanging=st.integers(1, 60))
def test_they_wait_behind_all_others_for_a_while(room: int, hanging: int) -> None:
    server = Server(room, a_range("alice", 100 + hanging, hanging=hanging))
    while server.waits() and server.now < BEHIND_SECONDS - 1:
        server.step()
        assert server.waits() is False or server.doubtful == 0


@settings(max_examples=25)
@given(room=st.integers(1, 40), hanging=st.integers(1, 5))
def test_they_do_not_wait_for_ever(room: int, hanging: int) -> None:
    server = Server(room, a_range("alice", 20 * room + hanging, hanging=hanging))
    for _ in range(int(BEHIND_SECONDS) + 2):
        server.step()
    assert server.waits()
    assert server.doubtful == min(hanging, max(1, room // DOUBTFUL_SHARE))


@pytest.mark.parametrize("room", range(1, DOUBTFUL_SHARE))
def test_few_places_are_theirs_for_a_part_of_the_time(room: int) -> None:
    seconds = 5 * TIMEOUT
    server = Server(room, a_range("alice", int(seconds) * room, hanging=50))
    taken = 0
    while server.now < seconds:
        server.step()
        taken += server.doubtful
    assert 0 < taken <= seconds * room / DOUBTFUL_SHARE + TIMEOUT


@settings(max_examples=25)
@given(room=st.integers(1, 40), hanging=st.integers(1, 60))
def test_another_owner_goes_on(room: int, hanging: int) -> None:
    """Whoever comes when all that waits is doubtful finds half of the places."""
    server = Server(room, a_range("alice", hanging, hanging=hanging, hours=1))
    server.step()
    server.queue.add(a_range("bob", 40))
    for _ in range(2 + (80 if room > 1 else int(TIMEOUT) + 40)):
        server.step()
    assert Counter(owner for _, owner, _ in server.done)["bob"] == 40
