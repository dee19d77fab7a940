"""What `litebatch batches results` does."""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from click.exceptions import Exit

from litebatch_asgi.cli.client.api import API
from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.downloads import download
from litebatch_asgi.cli.client.joining import ResultIndex, indexed, joined, plain_lines
from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.client.rows import read_row
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.targets import replacing
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.figures import counted
from litebatch_asgi.cli.options import Format
from litebatch_asgi.cli.telling import visible, visible_json
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.wire.cells import cell

_INCOMPLETE = 3
_HEAD = ("custom_id", "status", "text")


def results(
    connection: Connection,
    screen: Screen,
    batch_id: str,
    *,
    out: Path | None,
    join: Path | None,
    form: Format,
) -> None:
    """Write the rows of a batch that has ended; exit code 3 unless all of its requests have succeeded."""
    batch = API(connection).batch(batch_id)
    if not batch.has_ended:
        raise CommandFailed(f"{batch.id} is {batch.status}: there are results once it has ended")
    with ExitStack() as stack:
        requests = stack.enter_context(_opened(join)) if join is not None else None
        spools = stack.enter_context(_spooled(connection, screen, batch))
        target = stack.enter_context(replacing(out)) if out is not None else None
        written = 0
        for line in _written(spools, requests, form, screen):
            _write(line, target)
            written += 1
        sys.stdout.flush()
    if out is not None:
        screen.tell(f"{out} has {counted(written - (form is Format.CSV), 'row')}")
    if not batch.is_whole:
        left = counted(batch.total - batch.completed, "request")
        screen.tell(f"{batch.id} has {batch.status}: {left} without success")
        raise Exit(_INCOMPLETE)


def _written(
    spool: tuple[BinaryIO, Path], requests: BinaryIO | None, form: Format, screen: Screen
) -> Iterator[bytes]:
    """The lines of the results in the form that is wanted."""
    rows, folder = spool
    if requests is None:
        lines = plain_lines([rows])
        yield from lines if form is Format.JSONL else _csv(lines, _HEAD)
        return
    with indexed(rows, folder) as index:
        lines = _joined_lines(requests, index)
        yield from lines if form is Format.JSONL else _csv(lines, (*_HEAD, "request"))
        if index.unseen:
            screen.tell(f"left out: {counted(index.unseen, 'row')} of requests that the input has not")


def _joined_lines(requests: BinaryIO, index: ResultIndex) -> Iterator[bytes]:
    return (msgspec.json.encode(each) for each in joined(requests, index))


def _csv(lines: Iterator[bytes], head: tuple[str, ...]) -> Iterator[bytes]:
    yield _csv_line(head)
    for line in lines:
        row = read_row(line)
        if row is None:
            continue
        cells = [cell(each) for each in (row.custom_id, row.status, row.text)]
        if len(head) > len(cells):
            cells.append(bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["request"]).decode())
        yield _csv_line(cells)


def _csv_line(cells: list[str] | tuple[str, ...]) -> bytes:
    line = StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue().encode()


def _write(line: bytes, target: BinaryIO | None) -> None:
    if target is not None:
        target.write(line + b"\n")
    elif sys.stdout.isatty():
        click.echo(visible_json(visible(line.decode(errors="replace"))))
    else:
        sys.stdout.buffer.write(line + b"\n")


@contextmanager
def _spooled(connection: Connection, screen: Screen, batch: Batch) -> Generator[tuple[BinaryIO, Path]]:
    """All rows of a batch in a temporary file, and the folder that it lies in."""
    with tempfile.TemporaryDirectory(prefix="litebatch-results-") as folder:
        path = Path(folder, "rows.jsonl")
        with path.open("w+b") as rows:
            for file_id in (batch.output_file_id, batch.error_file_id):
                if file_id is not None:
                    _append(connection, screen, file_id, rows)
            yield rows, Path(folder)


def _append(connection: Connection, screen: Screen, file_id: str, rows: BinaryIO) -> None:
    with tempfile.TemporaryFile() as part:
        download(connection, file_id, part, screen)
        part.seek(0)
        while block := part.read(1 << 20):
            rows.write(block)
        rows.write(b"\n")


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    """A file of requests; what comes through a pipe is written into one first."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        if file.seekable():
            yield file
            return
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(file, spool)
            spool.seek(0)
            yield spool
