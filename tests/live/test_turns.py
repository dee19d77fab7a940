"""Turns: nobody has more than half of the room while another one waits, and nobody waits for ever."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.live.turns import Waiting, next_owner

START = datetime(2026, 1, 1, tzinfo=UTC)

LINES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)


def run(lines: dict[str, int], room: int, order: list[str]) -> list[tuple[str, Counter[str], set[str]]]:
    """What begins, with what was under way beside it and who else was waiting; the oldest ends first."""
    left, running, last = Counter(lines), list[str](), Counter[str]()
    begun: list[tuple[str, Counter[str], set[str]]] = []
    while +left or running:
        waiting = [
            Waiting(
                owner=owner,
                expires_at=START + timedelta(hours=order.index(owner)),
                running=running.count(owner),
                last_turn=last[owner],
            )
            for owner in sorted(+left)
        ]
        owner = next_owner(waiting, room) if len(running) < room else None
        if owner is None:
            running.pop(0)
            continue
        left[owner] -= 1
        running.append(owner)
        begun.append((owner, Counter(running), set(+left) - {owner}))
        last[owner] = len(begun)
    return begun


@given(lines=LINES, room=st.integers(1, 12), data=st.data())
def test_nobody_has_more_than_half_while_another_waits(
    lines: dict[str, int], room: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(lines)))
    begun = run(lines, room, order)
    assert Counter(owner for owner, *_ in begun) == Counter(lines)
    for owner, running, others in begun:
        assert not others or running[owner] <= max(1, room // 2)


@settings(max_examples=20)
@given(room=st.integers(2, 40), data=st.data())
def test_a_few_requests_do_not_wait_for_many(room: int, data: st.DataObject) -> None:
    """Whoever expires first has half of the room; the others share the rest alike."""
    lines = {"a": 1, "b": 10, "c": 100, "d": 300}
    order = data.draw(st.permutations(sorted(lines)))
    begun = run(lines, room, order)
    ends = {owner: number for number, (owner, *_) in enumerate(begun)}
    for owner, count in lines.items():
        assert ends[owner] <= 2 * len(lines) * (count + 1) + 2 * room


@settings(max_examples=20)
@given(room=st.integers(1, 20).map(lambda half: 2 * half))
def test_whoever_expires_first_has_half_of_the_room(room: int) -> None:
    begun = run({"a": 500, "b": 500, "c": 500}, room, ["c", "b", "a"])
    served = Counter(owner for owner, *_ in begun[:300])
    assert served["c"] >= 300 // 2 - room


def test_one_at_a_time_they_take_turns() -> None:
    begun = run({"a": 3, "b": 3}, 1, ["a", "b"])
    assert "".join(owner for owner, *_ in begun) in ("ababab", "bababa")
