"""What `litebatch files` does at a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from click.exceptions import Exit

from litebatch_asgi.cli.asking import confirm
from litebatch_asgi.cli.client.api import API
from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.downloads import download
from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.client.objects import File
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.several import Several
from litebatch_asgi.cli.client.targets import writing
from litebatch_asgi.cli.client.uploading import Form, source_of
from litebatch_asgi.cli.figures import age_of, counted, size_of
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.problems import print_problems

COLUMNS = ("FILE", "BYTES", "AGE", "PURPOSE", "NAME")


def upload(
    connection: Connection,
    screen: Screen,
    path: Path,
    *,
    purpose: str,
    models: Sequence[str],
    output: Output | None,
) -> None:
    """Send a file and print it."""
    source = source_of(path)
    fields = [("purpose", purpose), *(("target_model_names", model) for model in models)]
    try:
        with screen.moving("uploading", source.sent_size, "the server looks at it") as seen:
            file = API(connection).upload(Form(source, fields, seen), str(uuid4()))
    except KeyboardInterrupt:
        screen.tell(f"\ninterrupted: {path} was not sent whole")
        raise Exit(1) from None
    except Refused as error:
        if error.problems:
            print_problems(path, error.problems, output)
        raise
    print_files([file], output)


def list_files(connection: Connection, limit: int, purpose: str | None, output: Output | None) -> None:
    """Print the newest files."""
    print_files(API(connection).files(limit, purpose), output)


def get(connection: Connection, ids: Sequence[str], output: Output | None) -> None:
    """Print some files."""
    print_files([API(connection).file(each) for each in ids], output)


def content(connection: Connection, screen: Screen, file_id: str, out: Path | None) -> None:
    """Write what is in a file: on stdout, or into a file that is there whole or not at all."""
    with writing(out) as target:
        rows = download(connection, file_id, target, screen)
    if out is not None:
        screen.tell(f"{out} has {counted(rows, 'line')}")


def delete(connection: Connection, screen: Screen, ids: Sequence[str], *, yes: bool) -> None:
    """Delete files, once that is confirmed; exit code 1 unless all could be."""
    confirm(f"Delete {ids[0] if len(ids) == 1 else counted(len(ids), 'file')}?", yes=yes)
    api = API(connection)

    def delete_one(file_id: str) -> None:
        api.delete_file(file_id)
        screen.tell(f"{file_id} is deleted")

    deleted = Several(ids, delete_one)
    for _ in deleted:
        pass
    deleted.end()


def print_files(every: Iterable[File], output: Output | None) -> None:
    """Print files, one a row."""
    print_rows(COLUMNS, map(_row, every), output)


def _row(file: File) -> Row:
    made = file.created_at
    age = "" if made is None else age_of((datetime.now(UTC) - made).total_seconds())
    return Row(
        cells=(file.id, size_of(file.bytes), age, file.purpose, file.filename),
        plain=(
            *(file.id, str(file.bytes), "" if made is None else f"{made:%Y-%m-%dT%H:%M:%SZ}"),
            *(file.purpose, file.filename, file.status),
        ),
        object=file.told,
    )
