"""How often somebody may try to sign in, by a clock of our own."""

from __future__ import annotations

import pytest

from litebatch_asgi.errors import RateLimited
from litebatch_asgi.page.attempts import FEW, MOST_OF_ALL, MOST_OF_ONE, WINDOW_SECONDS, Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def fail(attempts: Attempts, address: str, times: int) -> int:
    """How many of so many attempts were let through."""
    for number in range(times):
        try:
            attempts.begin(address)
        except RateLimited:
            return number
    return times


def test_an_address_has_ten_within_five_minutes(attempts: Attempts, clock: Clock) -> None:
    assert fail(attempts, "192.0.2.1", 6) == 6
    clock.now += 100
    assert fail(attempts, "192.0.2.1", 100) == 4
    with pytest.raises(RateLimited) as refused:
        attempts.begin("192.0.2.1")
    assert refused.value.retry_after == WINDOW_SECONDS - 100
    clock.now += WINDOW_SECONDS - 100
    assert fail(attempts, "192.0.2.1", 100) == 6


def test_those_that_succeed_do_not_count(attempts: Attempts) -> None:
    for _ in range(1000):
        attempts.succeeded(attempts.begin("192.0.2.1"))
    assert fail(attempts, "192.0.2.1", 100) == MOST_OF_ONE


def test_a_network_of_ipv6_is_one_client(attempts: Attempts) -> None:
    assert fail(attempts, "2001:db8:0:1::1", 100) == MOST_OF_ONE
    assert fail(attempts, "2001:db8:0:1:ffff::2%eth0", 100) == 0
    assert fail(attempts, "2001:db8:0:2::1", 100) == MOST_OF_ONE
    assert fail(attempts, "::ffff:192.0.2.1", 100) == MOST_OF_ONE
    assert fail(attempts, "192.0.2.1", 100) == 0


def test_while_many_guess_everybody_has_a_few(attempts: Attempts, clock: Clock) -> None:
    """From wherever they come: nobody can keep all others out."""
    for number in range(MOST_OF_ALL):
        attempts.begin(f"198.51.100.{number % 200}")
    for number in range(50):
        assert fail(attempts, f"203.0.113.{number}", 100) == FEW
    clock.now += WINDOW_SECONDS
    assert fail(attempts, "203.0.113.250", 100) == MOST_OF_ONE


def test_who_has_signed_in_before_has_as_many_of_their_own(attempts: Attempts) -> None:
    assert fail(attempts, "192.0.2.1", 100) == MOST_OF_ONE
    for _ in range(MOST_OF_ONE):
        attempts.begin("192.0.2.1", "alice")
    with pytest.raises(RateLimited):
        attempts.begin("192.0.2.1", "alice")
    attempts.begin("192.0.2.2", "alice")
    attempts.begin("192.0.2.1", "bob")


def test_clients_without_an_address_are_one(attempts: Attempts) -> None:
    assert fail(attempts, "", 100) == MOST_OF_ONE
    assert fail(attempts, "testclient", 100) == MOST_OF_ONE


def test_what_is_remembered_is_bounded(attempts: Attempts) -> None:
    for number in range(10_000):
        fail(attempts, f"10.0.{number // 250}.{number % 250}", 1)
    assert len(attempts) <= 4096


def test_an_operator_is_told_once_in_a_while(
    attempts: Attempts, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        for _ in range(30):
            fail(attempts, "192.0.2.1", 100)
        clock.now += WINDOW_SECONDS
    assert caplog.text.count("too many wrong keys came from 192.0.2.1") == 3
    assert "X-Forwarded-For" in caplog.text
