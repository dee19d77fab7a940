"""Verdicts: a server that dies is told from a request that fails by itself, whatever else is under way."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.live.verdicts import TOGETHER_SECONDS, Ending, Flight, Flights, Unanswered, Verdict

SECOND = 1.0
"""between two events that have nothing to do with each other"""


class Sent(NamedTuple):
    """A request of a story: it begins with one event, and ends with a later one unless the server is dead."""

    begins: int
    lasts: int
    ending: Ending


STORIES = st.lists(
    st.builds(Sent, st.integers(0, 12), st.integers(1, 12), st.sampled_from(Ending)), min_size=1, max_size=12
)
DEATHS = st.sets(st.integers(1, 25), max_size=3)


class Told(NamedTuple):
    """What a story has told of one request."""

    sent: Sent
    ended: int
    ending: Ending
    case: Unanswered | None


def run(story: list[Sent], deaths: set[int]) -> list[Told]:
    """Let events happen, a second apart; at a death all that is under way is cut, a few moments apart."""
    flights, under_way, told = Flights(), list[tuple[Sent, Flight]](), list[Told]()

    def end(sent: Sent, flight: Flight, event: int, ending: Ending, after: float = 0.0) -> None:
        under_way.remove((sent, flight))
        told.append(Told(sent, event, ending, flights.end(flight, event * SECOND + after, ending)))

    for event in range(26):
        if event in deaths:
            for number, (sent, flight) in enumerate(list(under_way)):
                end(sent, flight, event, Ending.CUT, number * TOGETHER_SECONDS / 13)
        else:
            for sent, flight in list(under_way):
                if sent.begins + sent.lasts == event:
                    end(sent, flight, event, sent.ending)
        for sent in story:
            if sent.begins == event:
                # What begins with an event comes behind it, and one by one.
                under_way.append((sent, flights.begin(event * SECOND + TOGETHER_SECONDS + 0.01)))
    assert flights.count == len(under_way) == 0
    return told


def beside(one: Told, told: list[Told]) -> list[Told]:
    """The others that were under way just before one has ended."""
    return [each for each in told if each is not one and each.sent.begins < one.ended <= each.ended]


@given(STORIES, DEATHS)
def test_who_goes_down_with_all_others_is_not_to_blame(story: list[Sent], deaths: set[int]) -> None:
    told = run(story, deaths)
    for one in told:
        if one.ended in deaths and one.case is not None:
            expected = Verdict.DEATH if beside(one, told) else Verdict.UNTOLD
            assert one.case.verdict(99.0) is expected
            assert one.case.verdict(one.ended + 2 * TOGETHER_SECONDS) is expected


@given(STORIES, DEATHS)
def test_who_is_cut_while_others_go_on_has_failed_by_itself(story: list[Sent], deaths: set[int]) -> None:
    told = run(story, deaths)
    for one in told:
        if one.ending is Ending.CUT and one.ended not in deaths:
            assert one.case is not None
            others = beside(one, told)
            went_on = [each for each in others if each.ended > one.ended or each.ending is Ending.ANSWERED]
            later = one.case.verdict(one.ended + TOGETHER_SECONDS + 0.01)
            assert later is one.case.verdict(99.0)
            if [each for each in others if each.ended > one.ended]:
                assert later is Verdict.OWN
            elif not went_on and not [each for each in others if each.ending is not Ending.UNTOLD]:
                assert later is Verdict.UNTOLD


@given(STORIES, DEATHS)
def test_who_hears_nothing_while_others_are_answered_has_failed_by_itself(
    story: list[Sent], deaths: set[int]
) -> None:
    told = run(story, deaths)
    for one in told:
        if one.ending is Ending.SILENT:
            assert one.case is not None
            answered = [
                each
                for each in told
                if each.ending is Ending.ANSWERED and one.sent.begins < each.ended < one.ended
            ]
            others = [
                each
                for each in told
                if each is not one and each.sent.begins < one.ended and each.ended > one.sent.begins
            ]
            verdict = one.case.verdict(99.0)
            if answered:
                assert one.case.went_on
                assert verdict is Verdict.OWN
            elif not others:
                assert verdict is Verdict.UNTOLD
            elif all(each.ending in (Ending.SILENT, Ending.CUT) for each in others):
                assert verdict is Verdict.DEATH


def test_nobody_can_say_before_others_had_time_to_fall() -> None:
    flights = Flights()
    first, second = flights.begin(0.0), flights.begin(0.0)
    case = flights.end(first, 5.0, Ending.CUT)
    assert case is not None
    assert case.verdict(5.0) is Verdict.UNTOLD
    assert case.verdict(5.0 + TOGETHER_SECONDS / 2) is Verdict.UNTOLD
    assert case.verdict(5.1 + TOGETHER_SECONDS) is Verdict.OWN
    assert flights.end(second, 5.2, Ending.CUT) is not None
    assert case.verdict(5.2) is Verdict.DEATH


def test_what_we_broke_off_tells_nothing() -> None:
    flights = Flights()
    first, second = flights.begin(0.0), flights.begin(0.0)
    flights.end(second, 5.0, Ending.UNTOLD)
    case = flights.end(first, 5.0, Ending.CUT)
    assert case is not None
    assert case.verdict(9.0) is Verdict.UNTOLD


@given(st.floats(-2 * TOGETHER_SECONDS, 2 * TOGETHER_SECONDS), st.booleans())
def test_who_is_sent_anew_was_cut_with_the_others(apart: float, is_answered: bool) -> None:
    """A server that comes back at once answers it: that does not tell that it had gone on."""
    flights = Flights()
    first, second = flights.begin(0.0), flights.begin(0.0)
    if apart < 0:
        second.resend(5.0 + apart)
    case = flights.end(first, 5.0, Ending.CUT)
    assert case is not None
    if apart >= 0:
        second.resend(5.0 + apart)
    flights.end(second, 5.0 + 3 * TOGETHER_SECONDS, Ending.ANSWERED if is_answered else Ending.CUT)
    together = abs(5.0 + apart - 5.0) <= TOGETHER_SECONDS
    assert case.verdict(99.0) is (Verdict.DEATH if together else Verdict.OWN)
