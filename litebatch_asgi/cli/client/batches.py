"""What `litebatch batches` does, but for `run` and `results`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from click.exceptions import Exit

from litebatch_asgi.cli.client.answers import number, text
from litebatch_asgi.cli.client.api import ABSENT, API
from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.several import Several
from litebatch_asgi.cli.client.watching import watch
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.figures import age_of, amount_of, dollars_shown
from litebatch_asgi.cli.output import Output, Row, form_of, print_rows

COLUMNS = ("BATCH", "STATUS", "DONE", "AGE", "MODEL")
_FACTS = (
    *("id", "status", "model", "endpoint", "input_file_id", "output_file_id", "error_file_id"),
    *("completion_window", "created_at", "expires_at", "completed_at", "failed_at", "cancelled_at"),
)
_INCOMPLETE = 3
_FOLLOW_SECONDS = 2.0


def create(connection: Connection, body: Mapping[str, Any], key: str | None, output: Output | None) -> None:
    """Create a batch and print it."""
    print_batches([API(connection).create(body, key or str(uuid4()))], output)


def list_batches(connection: Connection, limit: int, output: Output | None) -> None:
    """Print the newest batches."""
    print_batches(API(connection).batches(limit), output)


def get(connection: Connection, ids: Sequence[str], output: Output | None) -> None:
    """Print all about some batches."""
    every = [API(connection).batch(each) for each in ids]
    if form_of(output) is not Output.TABLE:
        print_batches(every, output)
        return
    print_rows(("FIELD", "VALUE"), [row for batch in every for row in _facts(batch)], Output.TABLE)


def follow(
    connection: Connection,
    screen: Screen,
    ids: Sequence[str],
    every_seconds: float | None,
    output: Output | None,
) -> None:
    """Watch batches until all have ended, and print them; exit code 3 unless all have all results."""
    try:
        ended = watch(API(connection), ids, screen, every_seconds)
    except KeyboardInterrupt:
        screen.tell("\ninterrupted: the batches go on without this command")
        raise Exit(1) from None
    print_batches(ended, output)
    if not all(batch.is_whole for batch in ended):
        raise Exit(_INCOMPLETE)


def cancel(connection: Connection, ids: Sequence[str], output: Output | None) -> None:
    """Cancel batches and print them; exit code 1 unless all could be."""
    cancelled = Several(ids, API(connection).cancel)
    print_batches(iter(cancelled), output)
    cancelled.end()


def retry(
    connection: Connection,
    ids: Sequence[str],
    output: Output | None,
    *,
    custom_ids: Sequence[str] | None = None,
    error_codes: Sequence[str] | None = None,
) -> None:
    """Run again what has not succeeded, and print the batches that are made for it.

    Where some of it are named, by their custom ids or the codes of their errors, no others run. Exit code 1
    unless all of the batches could be retried.
    """
    api, choice = API(connection), dict[str, Any]()
    if custom_ids:
        choice["custom_ids"] = list(custom_ids)
    if error_codes:
        choice["errors"] = [{"code": code} for code in error_codes]
    made = Several(ids, lambda each: _retried(api, each, choice))
    print_batches(iter(made), output)
    made.end()


def events(connection: Connection, batch_id: str, output: Output | None, *, follows: bool) -> None:
    """Print what has happened to a batch, and with `follows` what does until it has ended."""
    api = API(connection)
    after: str | None = None
    while True:
        is_last = not follows or api.batch(batch_id).has_ended
        found = list(_told(api, batch_id, after))
        print_rows(("TIME (UTC)", "EVENT"), map(_event_row, found), output, has_head=after is None)
        after = text(found[-1].get("id")) if found else after
        if is_last:
            return
        time.sleep(_FOLLOW_SECONDS)


def print_batches(every: Sequence[Batch] | Iterator[Batch], output: Output | None) -> None:
    """Print batches, one a row."""
    print_rows(COLUMNS, map(_row, every), output)


def _retried(api: API, batch_id: str, choice: Mapping[str, Any]) -> Batch:
    try:
        return api.retry(batch_id, str(uuid4()), choice)
    except Refused as error:
        raise _absent(api, batch_id, error, "run the rest of a batch again") from error


def _told(api: API, batch_id: str, after: str | None) -> Iterator[dict[str, Any]]:
    try:
        yield from api.events(batch_id, after)
    except Refused as error:
        raise _absent(api, batch_id, error, "tell what has happened to a batch") from error


def _absent(api: API, batch_id: str, error: Refused, what: str) -> CommandFailed:
    """The error, or that this server can do no such thing although it has the batch."""
    if error.status not in ABSENT:
        return error
    api.batch(batch_id)  # raises where it is the batch that is not there
    return CommandFailed(f"this server cannot {what}: a LiteBatch can")


def _row(batch: Batch) -> Row:
    made = batch.created_at
    age = "" if made is None else age_of((datetime.now(UTC) - made).total_seconds())
    done = f"{amount_of(batch.done)}/{amount_of(batch.total)}"
    return Row(
        cells=(batch.id, batch.status, done, age, batch.model or "-"),
        plain=(
            *(batch.id, batch.status, str(batch.total), str(batch.completed), str(batch.failed)),
            "" if made is None else f"{made:%Y-%m-%dT%H:%M:%SZ}",
            *(batch.model or "", batch.cost or ""),
        ),
        object=batch.told,
    )


def _facts(batch: Batch) -> Iterator[Row]:
    """Of a batch, each with its name."""
    told = {name: _shown(name, batch.told.get(name)) for name in _FACTS}
    told["requests"] = f"{batch.completed:,} of {batch.total:,} succeeded, {batch.failed:,} did not"
    told["cost"] = None if batch.cost is None else dollars_shown(batch.cost)
    told["waiting for"] = batch.waiting_for
    told["errors"] = "\n".join(batch.errors[:20]) or None
    told["metadata"] = "\n".join(f"{name}: {value}" for name, value in batch.metadata.items()) or None
    for name, value in told.items():
        if value is not None:
            yield Row(cells=(name, value), plain=(name, value), object=batch.told)


def _shown(name: str, value: object) -> str | None:
    if name.endswith("_at"):
        return f"{_time(value)} UTC" if number(value) else None
    return text(value)


def _event_row(event: dict[str, Any]) -> Row:
    when, told = _time(event.get("created_at")), text(event.get("message")) or ""
    return Row(cells=(when, told), plain=(when, text(event.get("type")) or "", told), object=event)


def _time(value: object) -> str:
    try:
        return f"{datetime.fromtimestamp(number(value), UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "-"
