"""How long copies live at their providers, and how long they are of use."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.lifetimes import (
    CLOCKS_DIFFER,
    LONGEST_WINDOW,
    OUTLIVE,
    RENEWED_EARLY,
    FileLife,
    lasts_until,
    life_to_ask_for,
    renew_at,
    would_last,
)
from litebatch_asgi.models import CopyState, File, FileCopy, FileKind
from litebatch_asgi.providers.azure import AzureAdapter
from litebatch_asgi.providers.openai import OpenAIAdapter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400
FILE = File(
    id="file-lb1",
    owner="o",
    created_by=None,
    kind=FileKind.INPUT,
    purpose="batch",
    filename="in.jsonl",
    bytes=3,
    created_at=NOW,
    expires_at=NOW + timedelta(days=3),
)
COPY = FileCopy(file_id=FILE.id, deployment_id="east", owner="o")


def test_a_copy_is_to_outlive_its_file_by_the_time_that_batches_may_still_read_it() -> None:
    assert life_to_ask_for(FILE.expires_at, NOW) == 5 * DAY
    assert life_to_ask_for(FILE.expires_at, NOW + timedelta(days=2)) == 3 * DAY
    assert life_to_ask_for(None, NOW) is None


def test_what_a_batch_still_reads_of_an_expired_file_gets_a_life_for_its_window() -> None:
    assert life_to_ask_for(NOW, NOW) == 3 * DAY
    assert life_to_ask_for(NOW, NOW + timedelta(days=9)) == 3 * DAY


@pytest.mark.parametrize(
    ("life", "asked", "purpose", "granted"),
    [
        (OpenAIAdapter.file_life, 5 * DAY, "batch", 5 * DAY),
        (OpenAIAdapter.file_life, 32 * DAY, "batch", 30 * DAY),
        (OpenAIAdapter.file_life, 1, "batch", HOUR),
        (OpenAIAdapter.file_life, None, "batch", None),
        (AzureAdapter.file_life, 5 * DAY, "batch", 14 * DAY),
        (AzureAdapter.file_life, None, "batch", 30 * DAY),
        (AzureAdapter.file_life, None, "user_data", None),
    ],
)
def test_a_provider_makes_of_it_what_it_allows(
    life: FileLife, asked: int | None, purpose: str, granted: int | None
) -> None:
    assert life.granted(asked, purpose=purpose) == granted


@given(st.integers(1, 100 * DAY), st.integers(1, 100 * DAY), st.integers(0, 100 * DAY))
def test_what_is_granted_is_never_outside_of_what_is_allowed(shortest: int, more: int, asked: int) -> None:
    life = FileLife(shortest=shortest, longest=shortest + more)
    granted = life.granted(asked, purpose="batch")
    assert granted is not None
    assert shortest <= granted <= shortest + more
    assert granted == asked or not shortest <= asked <= shortest + more


def test_a_copy_lasts_until_the_provider_drops_it_as_far_as_it_said() -> None:
    ends = replace(COPY, expires_at=NOW + OUTLIVE)
    assert lasts_until(ends, NOW + OUTLIVE)
    assert not lasts_until(ends, NOW + OUTLIVE + timedelta(microseconds=1))
    assert lasts_until(COPY, NOW + timedelta(days=10_000))


MONTH = replace(FILE, endpoint="/v1/chat/completions", expires_at=NOW + timedelta(days=30))
"""a batch input that lives for 30 days"""


def made_at(moment: datetime, *, lives: timedelta) -> FileCopy:
    """A ready copy that its provider gives so long a life."""
    return replace(COPY, ready_at=moment, expires_at=moment + lives, state=CopyState.READY)


def test_a_copy_that_ends_before_its_file_is_made_anew_in_time_for_the_last_batch_on_it() -> None:
    """Azure copies that live 14 days: from day 13 on no batch could begin."""
    copy = made_at(NOW, lives=timedelta(days=14))
    due = renew_at(copy, MONTH)
    assert due is not None
    assert due == NOW + timedelta(days=12)
    assert lasts_until(copy, due + LONGEST_WINDOW)
    assert not lasts_until(copy, NOW + timedelta(days=13, seconds=1) + LONGEST_WINDOW)
    second = made_at(due, lives=timedelta(days=14))
    assert renew_at(second, MONTH) == NOW + timedelta(days=24)
    assert renew_at(made_at(NOW + timedelta(days=24), lives=timedelta(days=14)), MONTH) is None


def test_a_copy_that_outlives_its_file_is_not_made_anew_unless_a_batch_needs_it() -> None:
    copy = made_at(NOW, lives=timedelta(days=30))
    assert renew_at(copy, MONTH) is None
    assert renew_at(made_at(NOW, lives=timedelta(days=30) - CLOCKS_DIFFER), MONTH) is None
    assert renew_at(replace(copy, expires_at=None), MONTH) is None
    late = NOW + timedelta(days=29, hours=12)
    assert not lasts_until(copy, late + LONGEST_WINDOW)
    assert would_last(copy, late + LONGEST_WINDOW, late)


def test_a_copy_that_lives_for_less_than_a_window_is_of_no_use_to_batches() -> None:
    copy = made_at(NOW, lives=LONGEST_WINDOW)
    assert renew_at(copy, MONTH) is None
    assert not would_last(copy, NOW + timedelta(hours=1) + LONGEST_WINDOW, NOW + timedelta(hours=1))


@given(
    st.timedeltas(timedelta(hours=1), timedelta(days=40)),
    st.timedeltas(timedelta(hours=1), timedelta(days=40)),
)
def test_copies_made_anew_in_time_leave_no_gap_and_are_not_made_more_often_than_half_their_life(
    lives: timedelta, file_lives: timedelta
) -> None:
    file = replace(MONTH, expires_at=NOW + file_lives)
    copy = made_at(NOW, lives=lives)
    for _ in range(5):
        due = renew_at(copy, file)
        assert copy.ready_at is not None
        assert copy.expires_at is not None
        if due is None:
            lasts = lasts_until(copy, NOW + file_lives - CLOCKS_DIFFER)
            assert lasts or lives < LONGEST_WINDOW + CLOCKS_DIFFER
            return
        assert due >= copy.ready_at + lives / 2
        assert due < copy.expires_at
        if lives >= 2 * (LONGEST_WINDOW + RENEWED_EARLY):
            assert due + RENEWED_EARLY + LONGEST_WINDOW == copy.expires_at
        copy = made_at(due, lives=lives)
