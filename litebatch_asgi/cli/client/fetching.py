"""Brings the results of a batch here, and sums it up."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.downloads import download
from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.targets import writing
from litebatch_asgi.cli.figures import counted, dollars_shown
from litebatch_asgi.cli.output import Output, Row, print_rows

COLUMNS = ("BATCH", "STATUS", "DONE", "FAILED", "COST")
_LOOKS = 4
"""so often results are read that have fewer rows than the batch says"""
_FIRST_REST_SECONDS = 0.25


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch's results."""

    output: Path | None
    """None: there are none"""
    errors: Path | None
    missing: int
    """rows that the batch says it has, and that have not come"""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run, for programs."""

    batch: str
    status: str
    requests: int
    completed: int
    failed: int
    missing_rows: int
    cost: str | None
    """US dollars; None: the server does not say"""
    cost_is_final: bool
    output: str | None
    errors: str | None


def errors_beside(out: Path) -> Path:
    """Where rows of requests that have failed go: `out.jsonl` has `out.errors.jsonl` beside it."""
    return out.with_name(f"{out.stem}.errors{out.suffix}")


def fetch(connection: Connection, batch: Batch, out: Path | None, screen: Screen) -> Fetched:
    """Write output and errors of a batch that has ended, each whole or not at all; without `out` on stdout.

    An errors file of an earlier run goes, where there are no errors. Raises `CommandFailed`.
    """
    errors = None if out is None else errors_beside(out)
    output_rows = _save(connection, batch.output_file_id, out, screen, least=batch.completed)
    error_rows = _save(connection, batch.error_file_id, errors, screen, least=0)
    if batch.error_file_id is None and errors is not None and errors.is_file():
        errors.unlink()
        screen.tell(f"{errors} of an earlier run is removed: there are no errors")
    missing = max(batch.done - output_rows - error_rows, 0) if batch.status == "completed" else 0
    return Fetched(
        output=out if batch.output_file_id is not None else None,
        errors=errors if batch.error_file_id is not None else None,
        missing=missing,
    )


def _save(
    connection: Connection, file_id: str | None, path: Path | None, screen: Screen, *, least: int
) -> int:
    """Write a file of the server; how many rows it has. Read again where these are fewer than `least`."""
    if file_id is None:
        return 0
    with writing(path) as target:
        rows, rest = download(connection, file_id, target, screen), _FIRST_REST_SECONDS
        for _ in range(_LOOKS - 1):
            if rows >= least:
                break
            time.sleep(rest)
            rest *= 2
            target.seek(0)
            target.truncate()
            rows = download(connection, file_id, target, screen)
        if path is None and rows:
            target.write(_end_of_line(target))
    if path is not None:
        screen.tell(f"{path} has {counted(rows, 'row')}")
    return rows


def _end_of_line(target: BinaryIO) -> bytes:
    """What has to follow, so that other rows can."""
    target.seek(-1, os.SEEK_END)
    return b"" if target.read(1) == b"\n" else b"\n"


def print_summary(batch: Batch, fetched: Fetched, output: Output | None) -> None:
    """Print what became of a batch on stdout."""
    summary = Summary(
        batch=batch.id,
        status=batch.status,
        requests=batch.total,
        completed=batch.completed,
        failed=batch.failed,
        missing_rows=fetched.missing,
        cost=batch.cost,
        cost_is_final=batch.cost_is_final,
        output=None if fetched.output is None else str(fetched.output),
        errors=None if fetched.errors is None else str(fetched.errors),
    )
    print_rows(COLUMNS, [_row(summary)], output)


def summary_in_words(batch: Batch) -> str:
    """What became of a batch, where stdout is for its rows."""
    cost = "" if batch.cost is None else f", {dollars_shown(batch.cost)}"
    done = f"{batch.completed:,} of {batch.total:,} done, {batch.failed:,} failed"
    return f"{batch.id} has {batch.status}: {done}{cost}"


def _row(summary: Summary) -> Row:
    done = f"{summary.completed:,} of {summary.requests:,}"
    cost = "-" if summary.cost is None else dollars_shown(summary.cost)
    return Row(
        cells=(summary.batch, summary.status, done, f"{summary.failed:,}", cost),
        plain=(
            *(summary.batch, summary.status),
            *map(str, (summary.requests, summary.completed, summary.failed, summary.missing_rows)),
            *(summary.cost or "", summary.output or "", summary.errors or ""),
        ),
        object=summary,
    )
