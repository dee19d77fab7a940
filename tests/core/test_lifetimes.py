"""How long copies live at their providers, and how long they are of use."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.lifetimes import OUTLIVE, FileLife, lasts_until, life_to_ask_for
from litebatch_asgi.models import File, FileCopy, FileKind
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
    assert life_to_ask_for(FILE, NOW) == 5 * DAY
    assert life_to_ask_for(FILE, NOW + timedelta(days=2)) == 3 * DAY
    assert life_to_ask_for(replace(FILE, expires_at=None), NOW) is None


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
