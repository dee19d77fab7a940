"""The journal of inference servers, which has room for a million requests."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.simulator.request_journal import RequestJournal
from litebatch_asgi.simulator.request_records import CUT, LEFT
from litebatch_asgi.simulator.wakeup import Wakeup


def journal_of(requests: list[tuple[str, int]]) -> RequestJournal:
    """Requests one after the other, each a text and its status."""
    journal = RequestJournal(Wakeup())
    for second, (text, status) in enumerate(requests):
        noted(journal, text, status, second)
    return journal


def noted(journal: RequestJournal, text: str, status: int, second: int) -> None:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    number = journal.begin("east", "/v1/completions", "k", float(second), digest, len(text) + 1, text)
    if status:
        journal.end(number, second + 0.5, status, 3)


statuses = st.sampled_from([0, CUT, LEFT, 200, 429])


@given(st.lists(st.tuples(st.text(max_size=300), statuses), max_size=30))
def test_what_is_noted_is_told(requests: list[tuple[str, int]]) -> None:
    journal = journal_of(requests)
    told = {0: "in_progress", CUT: "cut", LEFT: "left"}
    entries = journal.select()
    assert [each.seq for each in entries] == list(range(1, len(requests) + 1))
    kept = [text[:200].encode("utf-8", "replace").decode() for text, _ in requests]
    assert [each.text for each in entries] == kept
    assert [each.status for each in entries] == [told.get(status, status) for _, status in requests]
    assert all((each.answered is None) == (each.status == "in_progress") for each in entries)
    totals = journal.totals()
    assert totals.requests == sum(totals.statuses.values()) == len(requests)
    assert sum(totals.received.values()) == sum(totals.succeeded.values()) == totals.lines
    lines = journal.lines()
    assert sum(each.received for each in lines) == len(requests)
    assert sum(each.succeeded for each in lines) == totals.statuses.get("200", 0)


@pytest.mark.parametrize("count", [4096, 4097, 20_000])
def test_only_the_newest_are_kept(count: int) -> None:
    journal = RequestJournal(Wakeup())
    journal.most = 5000
    first = journal.begin("east", "/", None, 1.0, bytes(32), 1, "first")
    for number in range(1, count):
        journal.begin("east", "/", None, 1.0, bytes(32), 1, str(number))
    journal.end(first, 2.0, 200)
    entries = journal.select()
    assert len(journal) == entries[-1].seq == count
    assert min(count, 5000) <= len(entries) <= 5000 + 2 * 4096
    assert [each.text for each in entries[1:]] == [str(each.seq - 1) for each in entries[1:]]
    assert (entries[0].status == 200) == (entries[0].seq == 1)


def test_the_most_in_progress_are_counted() -> None:
    journal = RequestJournal(Wakeup())
    numbers = [journal.begin("east", "/", None, float(second), bytes(32), 1, "") for second in range(4)]
    journal.end(numbers[0], 1.0, 200)
    journal.end(numbers[1], 2.5, 200)
    assert journal.totals().most_in_progress == 2
    assert journal.totals(account="west").most_in_progress == 0


def test_lines_are_chosen_by_how_often_they_came() -> None:
    journal = journal_of([("a", 200), ("b", 429), ("a", 200), ("b", 200), ("c", 200)])
    assert [(each.text, each.succeeded) for each in journal.lines(received=2)] == [("a", 2), ("b", 1)]
    assert [each.text for each in journal.lines(succeeded=2)] == ["a"]
    assert [each.text for each in journal.lines(match="c")] == ["c"]
    assert [each.text for each in journal.lines(after=2)] == ["a", "b", "c"]
    assert [each.seq for each in journal.select(match="b", limit=1)] == [2]
