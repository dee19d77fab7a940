"""What answers say of rate limits, in all the ways in which servers write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.models import NO_HINTS, RateHints
from litebatch_asgi.models.rate_hints import rate_hints, seconds_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADERS = (
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1s", 1.0),
        ("7.66s", 7.66),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86_400.0),
        ("500us", 0.0005),
        ("0", 0.0),
        (" 12.5 ", 12.5),
        (str(int(NOW.timestamp()) + 30), 30.0),
        (str((int(NOW.timestamp()) + 30) * 1000), 30.0),
        (str(int(NOW.timestamp()) - 30), 0.0),
        ("soon", None),
        ("-1s", None),
        ("1s ", 1.0),
        ("1 s", None),
        ("1s!", None),
        ("", None),
        (None, None),
        ("9" * 400, None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("٣s", None),
    ],
)
def test_a_reset_is_read(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, NOW) == (None if seconds is None else pytest.approx(seconds))


def test_all_of_them_are_read() -> None:
    headers = {
        "retry-after": "3",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-remaining-tokens": "14999",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert rate_hints(headers, NOW) == RateHints(
        retry_after=3.0, requests_left=0, requests_reset=0.12, tokens_left=14_999, tokens_reset=360.0
    )


def test_milliseconds_go_before_seconds_and_a_date_will_do() -> None:
    assert rate_hints({"retry-after": "9", "retry-after-ms": "1500"}, NOW).retry_after == 1.5
    date = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert rate_hints({"retry-after": date}, NOW).retry_after == 90.0


@given(hours=st.integers(0, 99), minutes=st.integers(0, 99), milliseconds=st.integers(0, 99_999))
def test_a_duration_in_parts_is_their_sum(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{milliseconds / 1000}s"
    assert seconds_of(text, NOW) == pytest.approx(hours * 3600 + minutes * 60 + milliseconds / 1000)


@given(
    st.dictionaries(
        st.sampled_from(HEADERS), st.text(max_size=8) | st.text("0123456789.smhdn -", max_size=30)
    )
)
def test_nothing_that_a_header_says_raises(headers: dict[str, str]) -> None:
    hints = rate_hints(headers, NOW)
    for seconds in (hints.requests_reset, hints.tokens_reset):
        assert seconds is None or 0 <= seconds < float("inf")
    for left in (hints.requests_left, hints.tokens_left):
        assert left is None or left >= 0


def test_headers_without_limits_say_nothing() -> None:
    assert rate_hints({"content-type": "application/json"}, NOW) == NO_HINTS
