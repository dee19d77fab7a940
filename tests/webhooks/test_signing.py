"""Signing secrets, and signatures that OpenAI's own client takes for genuine."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import InvalidWebhookSignatureError, OpenAI
from openai.types.webhooks import BatchCompletedWebhookEvent, BatchExpiredWebhookEvent

from litebatch_asgi.webhooks.secrets import WebhookKeys, hint_of
from litebatch_asgi.webhooks.signing import SignedEvent, event_text, signed

KEY, OTHER = "k" * 32, "o" * 32
ENDPOINT = "we_lb00000000000000000000000001"
EVENT, BATCH = "evt_lb00000000000000000000000001", "batch_lb00000000000000000000000001"
KEYS = WebhookKeys([KEY, OTHER], "installation")
CLIENT = OpenAI(api_key="sk-x")


def secret(version: int = 1, keys: WebhookKeys = KEYS, endpoint: str = ENDPOINT) -> str:
    assert keys.newest is not None
    found = keys.secret(keys.newest, endpoint, version)
    assert found is not None
    return found


def an_event(*secrets: str, at: datetime | None = None, text: str | None = None) -> SignedEvent:
    now = datetime.now(UTC)
    text = text or event_text(EVENT, "batch.completed", BATCH, now)
    return signed(EVENT, text, secrets, at=at or now)


def test_openais_client_takes_what_we_sign_for_genuine() -> None:
    event = an_event(secret())
    told = CLIENT.webhooks.unwrap(event.body, event.headers, secret=secret())
    assert isinstance(told, BatchCompletedWebhookEvent)
    assert (told.id, told.type, told.data.id, told.object) == (EVENT, "batch.completed", BATCH, "event")
    assert abs(told.created_at - datetime.now(UTC).timestamp()) < 60
    expired = an_event(secret(), text=event_text(EVENT, "batch.expired", BATCH, datetime.now(UTC)))
    assert isinstance(
        CLIENT.webhooks.unwrap(expired.body, expired.headers, secret=secret()), BatchExpiredWebhookEvent
    )


def test_both_secrets_count_where_both_sign() -> None:
    event = an_event(secret(2), secret(1))
    for version in (1, 2):
        CLIENT.webhooks.verify_signature(event.body, event.headers, secret=secret(version))
    assert len(event.headers["webhook-signature"].split(" ")) == 2
    with pytest.raises(InvalidWebhookSignatureError):
        CLIENT.webhooks.verify_signature(event.body, event.headers, secret=secret(3))


def test_what_was_changed_on_its_way_is_not_genuine() -> None:
    event = an_event(secret())
    changed = [
        (event.body + b" ", event.headers),
        (event.body, {**event.headers, "webhook-id": "evt_other"}),
        (event.body, {**event.headers, "webhook-timestamp": str(int(datetime.now(UTC).timestamp()) + 1)}),
    ]
    for body, headers in changed:
        with pytest.raises(InvalidWebhookSignatureError):
            CLIENT.webhooks.verify_signature(body, headers, secret=secret())


@pytest.mark.parametrize("minutes", [-6, 6])
def test_the_time_is_that_of_the_try(minutes: float) -> None:
    event = an_event(secret(), at=datetime.now(UTC) + timedelta(minutes=minutes))
    with pytest.raises(InvalidWebhookSignatureError, match=r"too (old|new)"):
        CLIENT.webhooks.verify_signature(event.body, event.headers, secret=secret())


def test_times_of_other_zones_are_the_same_times() -> None:
    elsewhere = datetime.now(timezone(timedelta(hours=5, minutes=30)))
    event = an_event(secret(), at=elsewhere)
    CLIENT.webhooks.verify_signature(event.body, event.headers, secret=secret())


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_is_signed_as_it_is_sent(text: str) -> None:
    event = an_event(secret(), text=text or " ")
    CLIENT.webhooks.verify_signature(event.body, event.headers, secret=secret())


def test_bytes_are_not_signed_as_something_else() -> None:
    with pytest.raises(AttributeError):
        signed(EVENT, b"{}", [secret()], at=datetime.now(UTC))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_secret_is_derived_from_all_that_it_is_for() -> None:
    same = WebhookKeys([KEY], "installation")
    assert secret(keys=same) == secret()
    others = [
        secret(2),
        secret(endpoint="we_lb00000000000000000000000002"),
        secret(keys=WebhookKeys([OTHER, KEY], "installation")),
        secret(keys=WebhookKeys([KEY], "copy of the installation")),
    ]
    assert len({secret(), *others}) == 5
    assert len(base64.b64decode(secret().removeprefix("whsec_"))) == 32


def test_nothing_runs_into_its_neighbour() -> None:
    assert secret(1, endpoint="we_1") != secret(11, endpoint="we_")
    assert WebhookKeys([KEY], "a").newest != WebhookKeys([KEY], "b").newest


def test_a_key_is_known_by_its_fingerprint_wherever_it_stands() -> None:
    first = WebhookKeys([KEY], "installation")
    assert first.newest is not None
    moved = WebhookKeys([OTHER, KEY], "installation")
    assert first.newest in moved
    assert moved.secret(first.newest, ENDPOINT, 1) == secret()
    gone = WebhookKeys([OTHER], "installation")
    assert first.newest not in gone
    assert gone.secret(first.newest, ENDPOINT, 1) is None
    assert WebhookKeys([], "installation").newest is None


@given(st.text(min_size=32), st.integers(1, 9))
def test_a_hint_gives_little_away(key: str, version: int) -> None:
    keys = WebhookKeys([key.encode(errors="replace").decode()], "installation")
    hint = hint_of(secret(version, keys))
    assert len(hint) == len("whsec_...abcd")
    assert secret(version, keys).rstrip("=").endswith(hint.removeprefix("whsec_..."))
    assert key not in f"{keys!r} {keys.newest} {hint}"
