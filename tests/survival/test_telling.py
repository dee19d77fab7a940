"""What sinks have taken is compared with what has happened."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from litebatch_asgi import Event
from tests.survival.telling import wrong

STORIES = {"batch_1": [("a", 1, "batch.created"), ("b", 2, "job.placed"), ("c", 3, "batch.completed")]}
TYPES = {event_id: (seq, type_) for event_id, seq, type_ in STORIES["batch_1"]} | {"gone": (9, "gone")}


def taken(event_ids: str) -> list[Event]:
    """What a sink has got."""
    return [
        Event(
            id=event_id,
            subject="batch_1",
            seq=TYPES[event_id][0],
            type=TYPES[event_id][1],
            created_at=datetime(2026, 1, 2, tzinfo=UTC),
        )
        for event_id in event_ids.split()
    ]


@pytest.mark.parametrize("event_ids", ["a b c", "a a b b a c b c", "a gone b gone c"])
def test_repeats_and_what_is_gone_are_as_they_may_be(event_ids: str) -> None:
    assert list(wrong(STORIES, taken(event_ids), frozenset())) == []


@pytest.mark.parametrize(
    ("event_ids", "said"),
    [
        ("a b", "3 of batch_1, batch.completed, has not come"),
        ("b c", "1 of batch_1, batch.created, has not come"),
        ("a c b", "3 of batch_1, batch.completed, came before what precedes it"),
        ("c a b c", "3 of batch_1, batch.completed, came before what precedes it"),
    ],
)
def test_what_is_lost_or_comes_early_is_found(event_ids: str, said: str) -> None:
    assert said in list(wrong(STORIES, taken(event_ids), frozenset()))


def test_what_is_changed_is_found() -> None:
    (other,) = taken("gone")
    changed = [Event(id="a", subject="batch_2", seq=1, type="batch.created", created_at=other.created_at)]
    [text, *_] = wrong(STORIES, [*changed, *taken("b c")], frozenset())
    assert text.startswith("1 of batch_1, batch.created, came as Event")


@pytest.mark.parametrize(
    ("event_ids", "spared", "is_wrong"),
    [
        ("c", frozenset("ab"), False),
        ("b c", frozenset("a"), False),
        ("b", frozenset("ab"), True),
        ("b", frozenset("abc"), True),  # what follows is not spared
        ("", frozenset("abc"), False),
        ("", None, False),
        ("b c", None, False),
        ("b", None, True),
    ],
)
def test_a_sink_that_came_later_gets_all_from_then_on(
    event_ids: str, spared: frozenset[str] | None, is_wrong: bool
) -> None:
    assert bool(list(wrong(STORIES, taken(event_ids), spared))) == is_wrong
