"""What rows are called, and under which virtual model they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from litebatch_asgi.adoption.rows import Account, batch_and_job, file_state, virtual_model
from litebatch_asgi.files.admission import line_checker
from litebatch_asgi.lifecycle import give_up_at
from litebatch_asgi.models import (
    BatchStatus,
    Deployment,
    ProviderBatch,
    ProviderFile,
    ProviderFileStatus,
    Settings,
)
from litebatch_asgi.models.ids import FILE_PREFIX, derived_id, is_file_id, new_id
from tests.harness import lines

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))
PARTS = st.lists(st.text(st.characters(), max_size=9), max_size=4)
NOW = datetime(2026, 11, 26, tzinfo=UTC)
DAY = timedelta(days=1)
ACCOUNT = Account(
    installation_id="i",
    deployment_id="west",
    deployment=Deployment(model_name="fast", model="openai/gpt-4o"),
    owner="alice",
)
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_PATIENT
@given(MOMENTS, PARTS, PARTS)
def test_derived_ids(moment: datetime, one: list[str], other: list[str]) -> None:
    first = derived_id(FILE_PREFIX, moment, *one)
    assert is_file_id(first)
    assert first == derived_id(FILE_PREFIX, moment, *one)
    assert (first == derived_id(FILE_PREFIX, moment, *other)) == ("\0".join(one) == "\0".join(other))


def test_derived_ids_sort_among_fresh_ones_by_their_time() -> None:
    old, late = (derived_id(FILE_PREFIX, datetime(year, 1, 1, tzinfo=UTC), "a") for year in (2020, 2100))
    assert old < new_id(FILE_PREFIX) < late


@pytest.mark.parametrize(
    ("model_name", "model", "named", "virtual"),
    [
        ("fast", "openai/gpt-4o", "gpt-4o", "fast"),
        ("fast", "openai/gpt-4o", "gpt-5", None),
        ("*", "openai/*", "gpt-5", "gpt-5"),
        ("openai/*", "openai/*", "gpt-5", "openai/gpt-5"),
        ("gpt-*", "openai/*", "gpt-5", "gpt-5"),
        ("gpt-*", "openai/*", "o3", None),
        ("openai/*", "openai/gpt-4o", "gpt-4o", "openai/gpt-4o"),
    ],
)
def test_virtual_models(model_name: str, model: str, named: str, virtual: str | None) -> None:
    assert virtual_model(Deployment(model_name=model_name, model=model), named) == virtual


def _found(**fields: Any) -> ProviderBatch:
    return ProviderBatch(id="batch_1", status=BatchStatus.COMPLETED, input_file_id="file-1", **fields)


def test_an_old_batch_has_time_to_be_read() -> None:
    """Its own deadline may be days ago; what is over is given up as soon as anything stands in its way."""
    file = ProviderFile(
        id="file-1", filename="a", bytes=3, status=ProviderFileStatus.READY, created_at=NOW - 9 * DAY
    )
    checker = line_checker(Settings(), lambda model: None, ())
    checker.feed(lines(1, model="gpt-4o"))
    state = file_state(ACCOUNT, file, checker.finish(), "fast", NOW)
    old, _ = batch_and_job(ACCOUNT, _found(created_at=NOW - 9 * DAY, expires_at=NOW - 8 * DAY), state, NOW)
    assert (old.created_at, old.expires_at) == (NOW - 9 * DAY, NOW)
    assert give_up_at(old, DAY) > NOW
    fresh, job = batch_and_job(ACCOUNT, _found(created_at=NOW), state, NOW)
    assert (fresh.expires_at, job.next_check_at) == (NOW + DAY, NOW)
    assert old.id != fresh.id
