"""What `litebatch outbox` does: dead deliveries are listed, and tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
import msgspec

from litebatch_asgi.cli.accounts import with_storage
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.models import OutboxItem, SinkBacklog
from litebatch_asgi.storage import Storage
from litebatch_asgi.webhooks.queue import EndpointBacklog

_AT_ONCE = 1000
"""deliveries that one statement makes due again"""


class DeadDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is not tried again by itself."""

    event_id: str
    sink: str
    """its name, or the id of a webhook endpoint"""
    type: str
    subject: str
    attempts: int
    error: str | None
    created_at: datetime


def list_dead(url: str, sink: str | None, limit: int, output: Output | None) -> None:
    """Print dead deliveries, and tell what each sink and endpoint has still to get. Raises `ConfigError`."""

    async def run(storage: Storage) -> None:
        items = await storage.outbox.dead(sink=sink, limit=limit)
        print_rows(("EVENT", "SINK", "TYPE", "TRIES", "ERROR"), map(_row, items), output)
        for backlog in await storage.outbox.backlog():
            if sink in (None, backlog.sink.name):
                tell(f"{backlog.sink.name}: {_told(backlog)}")
        for left in await storage.webhook_queue.backlog():
            if sink in (None, left.endpoint_id):
                disabled = " (disabled)" if left.is_disabled else ""
                tell(f"{left.endpoint_id} of {left.owner}{disabled}: {_told(left)}")

    with_storage(url, run)


def replay(url: str, sink: str | None, event_ids: Sequence[str] | None) -> None:
    """Make dead deliveries due again, and print how many. Raises `ConfigError`."""

    async def run(storage: Storage) -> None:
        count = 0
        while True:
            step = await storage.outbox.replay(sink=sink, event_ids=event_ids, limit=_AT_ONCE)
            count += step
            if step < _AT_ONCE:
                break
        click.echo(f"deliveries that are tried again: {count}")

    with_storage(url, run)


def _row(item: OutboxItem) -> Row:
    delivery, event = item.delivery, item.event
    shown = DeadDelivery(
        event_id=event.id,
        sink=delivery.sink,
        type=event.type,
        subject=event.subject,
        attempts=delivery.attempts,
        error=delivery.error,
        created_at=event.created_at,
    )
    cells = (event.id, delivery.sink, event.type, str(delivery.attempts), delivery.error or "")
    return Row(cells=cells, plain=cells, object=shown)


def _told(backlog: SinkBacklog | EndpointBacklog) -> str:
    since = "" if backlog.oldest_at is None else f", the oldest since {backlog.oldest_at:%Y-%m-%d %H:%M} UTC"
    what = "held back" if isinstance(backlog, EndpointBacklog) and backlog.is_disabled else "to deliver"
    return f"{backlog.pending} {what}{since}; {backlog.dead} dead"
