"""Events in the log: one JSON line each."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from litebatch_asgi.models import Event

LOGGER = "litebatch_asgi.events"
NAME = "log"

logger: logging.Logger = logging.getLogger(LOGGER)


class LogSink:
    """Logs each event as one JSON object, which other formatters find in the record as `event_fields`."""

    name: str = NAME
    is_ordered: bool = True

    async def deliver(self, event: Event) -> None:
        """See `Sink.deliver`. What a handler raises counts; one that keeps its errors has taken the event."""
        fields = event_fields(event)
        logger.info(msgspec.json.encode(fields).decode(), extra={"event_fields": fields})


def event_fields(event: Event) -> dict[str, Any]:
    """An event as one flat object: what identifies it, then its payload."""
    about = {
        "event_id": event.id,
        "event": event.type,
        "subject": event.subject,
        "seq": event.seq,
        "owner": event.owner,
        "happened_at": event.created_at.isoformat(),
    }
    return {**event.payload, **about}
