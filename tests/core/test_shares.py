"""How many places for work one owner may have."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.shares import SharedPlaces, share_of

OWNERS = "abcdefghij"
EVENTS = st.lists(st.tuples(st.sampled_from(OWNERS), st.booleans()), max_size=60)


def filled(places: SharedPlaces[None], held: Counter[str], most: int, wanting: str) -> None:
    """These owners take whatever they may, the first in the text first."""
    while True:
        room = places.room(None, most)
        now = next((owner for owner in wanting if owner not in room.enough), None)
        if not room.places or now is None:
            return
        for _ in range(room.places):  # one claim: all of it may be one owner's
            places.take(None, now)
            held[now] += 1


@given(most=st.integers(4, 40), events=EVENTS)
def test_nobody_has_more_than_a_share_of_what_others_leave(most: int, events: list[tuple[str, bool]]) -> None:
    places, held = SharedPlaces[None](), Counter[str]()
    for owner, begins in events:
        if begins:
            before = held[owner]
            filled(places, held, most, owner)
            assert held[owner] == before or held[owner] <= share_of(most - held.total() + held[owner])
        elif held[owner]:
            places.give_back(None, owner)
            held[owner] -= 1
        assert places.taken(None) == held.total() <= most


@given(most=st.integers(4, 40), first=st.sampled_from(OWNERS))
def test_who_comes_later_finds_a_place(most: int, first: str) -> None:
    places, held = SharedPlaces[None](), Counter[str]()
    filled(places, held, most, first)
    assert held[first] == share_of(most)
    filled(places, held, most, "z")
    assert held["z"] >= 1


@given(most=st.integers(4, 40), greedy=st.integers(1, 3))
def test_what_becomes_free_goes_to_who_has_none(most: int, greedy: int) -> None:
    """However long those who have much have been waiting for more."""
    places, held = SharedPlaces[None](), Counter[str]()
    filled(places, held, most, OWNERS[:greedy])
    while held.total() == most:
        owner = held.most_common(1)[0][0]
        places.give_back(None, owner)
        held[owner] -= 1
        filled(places, held, most, OWNERS[:greedy] + "z")
        if held["z"]:
            return
    filled(places, held, most, OWNERS[:greedy] + "z")
    assert held["z"]


def test_one_alone_leaves_a_quarter() -> None:
    assert [share_of(places) for places in (1, 2, 4, 8, 32)] == [1, 1, 3, 6, 24]
    places = SharedPlaces[str]()
    for _ in range(6):
        places.take("here", "a")
    assert places.room("here", 8).enough == {"a"}
    assert places.room("elsewhere", 8).places == 6
