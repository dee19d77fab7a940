"""What counts as a line that was sent once too often."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from litebatch_asgi.simulator import Simulator
from tests.database import SQLiteDatabase
from tests.faults.world import World
from tests.harness import Gateway
from tests.survival.lines import Sent, Sightings
from tests.survival.server import Life

LINE = ("c0-1-abc", "request-7")
BEGAN = 1000.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    gateway = Gateway(Simulator(), "http://127.0.0.1:1")
    world = World(gateway, SQLiteDatabase(tmp_path), "", "")
    world.contents[LINE[0]] = b""
    return world


def sent(world: World, key: str, at: float, status: int = 200) -> None:
    """Note that a process has sent the line, which was answered soon."""
    text = f"Say 7 of {LINE[0]}."
    journal, digest = world.simulator.requests, hashlib.sha256(text.encode()).digest()
    number = journal.begin("tiny-1", "/v1/chat/completions", key, BEGAN + at, digest, 100, text)
    journal.end(number, BEGAN + at + 0.1, status)


def wrong(world: World, *lives: Life, stored_at: float | None = None, lapsed_at: float | None = None) -> int:
    """How much is wrong with what was sent."""
    sightings = Sightings(world)
    if stored_at is not None:
        sightings.seen[LINE] = BEGAN + stored_at
    if lapsed_at is not None:
        sightings.lapses[LINE[0]].append(BEGAN + lapsed_at)
    return len(list(Sent(world, {life.key: life for life in lives}, sightings).wrong()))


def killed(key: str, at: float) -> Life:
    """A process that is gone from then on."""
    return Life(key=key, ended_at=BEGAN + at)


def test_who_is_killed_with_an_answer_may_be_followed_by_another(world: World) -> None:
    sent(world, "a", 0)
    sent(world, "b", 5)
    assert wrong(world, killed("a", 1), Life(key="b")) == 0
    assert wrong(world, killed("a", 9), Life(key="b")) == 1
    assert wrong(world, Life(key="a"), Life(key="b")) == 1
    assert wrong(world, Life(key="a"), Life(key="b"), lapsed_at=4) == 0
    assert wrong(world, Life(key="a"), Life(key="b"), lapsed_at=9) == 1


def test_an_answer_that_was_not_stored_for_long_is_no_excuse(world: World) -> None:
    sent(world, "a", 0)
    sent(world, "b", 20)
    assert wrong(world, killed("a", 15), Life(key="b")) == 1


def test_each_further_answer_needs_another_loss(world: World) -> None:
    for at, key in enumerate("abb"):
        sent(world, key, 5 * at)
    assert wrong(world, killed("a", 1), Life(key="b")) == 1


def test_nothing_is_sent_that_was_stored_before(world: World) -> None:
    sent(world, "a", 0)
    sent(world, "b", 5)
    assert wrong(world, killed("a", 1), Life(key="b"), stored_at=0.5) == 1
    stopped = Life(key="b", stops=[(BEGAN - 1, BEGAN + 4.9)])
    assert wrong(world, killed("a", 1), stopped, stored_at=0.5) == 0


def test_who_is_stopped_past_its_claim_may_have_lost_an_answer(world: World) -> None:
    sent(world, "a", 0)
    sent(world, "b", 5)
    assert wrong(world, Life(key="a", stops=[(BEGAN + 0.2, BEGAN + 6)]), Life(key="b")) == 0


def test_who_is_asked_to_end_stores_what_it_has(world: World) -> None:
    sent(world, "a", 0)
    sent(world, "b", 5)
    ended = Life(key="a", ended_at=BEGAN + 4, told_to_end_at=BEGAN + 3)
    assert wrong(world, ended, Life(key="b")) == 1
    at_once = Life(key="a", ended_at=BEGAN + 4, told_to_end_at=BEGAN + 0.5)
    assert wrong(world, at_once, Life(key="b")) == 0


@pytest.mark.parametrize("status", [429, 500, 503, -1, -2])
def test_what_was_not_answered_for_good_is_sent_again(world: World, status: int) -> None:
    sent(world, "a", 0, status)
    sent(world, "a", 3)
    assert wrong(world, Life(key="a")) == 0


def test_nobody_else_sends_our_lines(world: World) -> None:
    sent(world, "c", 0)
    assert wrong(world, Life(key="a")) == 1
