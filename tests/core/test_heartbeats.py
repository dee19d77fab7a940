"""What heartbeats tell: from when on there have always been some, and what is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from litebatch_asgi.heartbeats import KEPT, Heartbeat, gone_of, since_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LAPSE = timedelta(seconds=90)
HOUR = timedelta(hours=1)


def beat(worker: str, seen: float, since: float, *deployments: str) -> Heartbeat:
    """A heartbeat so many seconds ago, with a `since` of so many seconds ago."""
    return Heartbeat(
        worker=worker,
        deployments=dict.fromkeys(deployments, ()),
        since=NOW - timedelta(seconds=since),
        seen_at=NOW - timedelta(seconds=seen),
    )


@pytest.mark.parametrize(
    ("beats", "since"),
    [
        ([], 0),
        ([beat("me", 30, 500)], 500),
        ([beat("me", 91, 500)], 0),
        ([beat("me", 90, 500)], 500),
        ([beat("other", 30, 700), beat("third", 10, 300)], 700),
        ([beat("other", 91, 700), beat("third", 10, 300)], 300),
        ([beat("me", 30, 500), beat("other", 10, 700)], 500),
        ([beat("me", 91, 900), beat("other", 10, 700)], 700),
    ],
    ids=[
        "the first one ever",
        "it goes on",
        "after a silence, alone",
        "just in time",
        "a new process takes over the earliest",
        "not of one that has lapsed",
        "its own stays",
        "after a silence, beside another",
    ],
)
def test_since_when_heartbeats_have_not_lapsed(beats: list[Heartbeat], since: float) -> None:
    assert since_of(beats, "me", NOW, LAPSE) == NOW - timedelta(seconds=since)


@pytest.mark.parametrize(
    ("beats", "gone"),
    [
        ([], []),
        ([beat("me", 10, 4000, "east")], ["west"]),
        ([beat("me", 10, 3599, "east")], []),
        ([beat("me", 91, 4000, "east")], []),
        ([beat("me", 10, 4000, "east"), beat("other", 3599, 9000, "west")], []),
        ([beat("me", 10, 4000, "east"), beat("other", 3600, 9000, "west")], ["west"]),
        ([beat("me", 10, 4000), beat("other", 100, 4000, "east")], ["west"]),
        ([beat("me", 10, 100, "east"), beat("other", 20, 4000)], ["west"]),
    ],
    ids=[
        "nobody has beaten",
        "never named",
        "not for long enough",
        "nobody beats now",
        "named within the time",
        "named too long ago",
        "named by one that has died since",
        "one that lasts is enough",
    ],
)
def test_what_is_gone(beats: list[Heartbeat], gone: list[str]) -> None:
    assert gone_of(["west", "east"], beats, NOW, grace=HOUR, lapse=LAPSE) == gone


def test_nothing_is_gone_for_longer_than_heartbeats_are_remembered() -> None:
    beats = [beat("me", 10, 10**7)]
    assert gone_of(["west"], beats, NOW, grace=KEPT, lapse=LAPSE) == ["west"]
    assert gone_of(["west"], beats, NOW, grace=KEPT + LAPSE, lapse=LAPSE) == []
