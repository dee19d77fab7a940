"""Events as they are sent, signed as OpenAI's clients verify them, by standardwebhooks (extra `webhooks`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import NamedTuple

import msgspec

from litebatch_asgi.errors import ConfigError


class SignedEvent(NamedTuple):
    """The headers and the body of one try to deliver an event."""

    headers: Mapping[str, str]
    body: bytes


def check_installed() -> None:
    """Raises `ConfigError` if standardwebhooks is not installed."""
    if find_spec("standardwebhooks") is None:
        raise ConfigError(
            "webhook_keys: webhooks are signed by standardwebhooks, which is not installed: "
            "pip install 'litebatch-asgi[webhooks]'"
        )


def event_text(event_id: str, event_type: str, batch_id: str, created_at: datetime) -> str:
    """An event as OpenAI tells it: only the id of its object, which receivers then fetch for themselves.

    Source: OpenAI's OpenAPI document, the webhooks `batch_completed` and its like.
    """
    event = {
        "id": event_id,
        "object": "event",
        "created_at": int(created_at.timestamp()),
        "type": event_type,
        "data": {"id": batch_id},
    }
    return msgspec.json.encode(event).decode()


def signed(event_id: str, text: str, secrets: Sequence[str], *, at: datetime) -> SignedEvent:
    """An event, signed with each of `secrets`: it is genuine to whoever knows one of them.

    `at` is the time of this try, not of the event: receivers refuse what is older than five minutes.
    """
    from standardwebhooks import Webhook

    moment = at.astimezone(UTC)  # the package takes every time for one in UTC
    body = text.encode()  # of bytes, which do not get past this, it would sign something else
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, moment, text) for secret in secrets),
    }
    return SignedEvent(headers, body)
