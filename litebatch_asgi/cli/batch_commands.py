"""The commands of `litebatch batches` and their options."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import Format, example
from litebatch_asgi.cli.output import Output
from litebatch_asgi.cli.values import FILE, OUT, STDOUT, OneOf, Seconds

_WINDOW = "24h"
_MOST_DOLLARS = 10**12
_AN_ID = "batch_abc123"

app: Group = Group(
    "batches",
    help="Batches, at any server that speaks OpenAI's API.",
    epilog=example("litebatch batches run requests.jsonl -m gpt-4o-batch -o answers.jsonl"),
)
_of_one = click.argument("batch", metavar="ID", help="Of a batch.")
_of_some = click.argument("batch", nargs=-1, required=True, metavar="ID...", help="Of batches.")
_window = click.option(
    "--window", default=_WINDOW, metavar="TIME", help="The completion window, such as 24h."
)
_metadata = click.option(
    "--metadata", multiple=True, metavar="NAME=VALUE", help="Kept with the batch; may be repeated."
)
_every = click.option(
    "--every",
    type=Seconds(0.01),
    metavar="SECONDS",
    help="How often to look.",
    show_default="1 to 30, by the batch's age",
)


@app.command(
    epilog=example(
        "litebatch batches run requests.jsonl -m gpt-4o-batch -o answers.jsonl",
        "litebatch batches run requests.jsonl --max-cost 2.50 --yes",
    )
)
@click.argument("file", type=FILE, help="Requests, as JSONL.")
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    help="What the requests are sent with, whatever model the file's lines name.",
    show_default="the one of the lines",
)
@click.option(
    "--out",
    "-o",
    type=OUT,
    metavar="OUT",
    help="Where answers go; errors go beside it, OUT.errors.jsonl. - is stdout, for both.",
    show_default="FILE.results.jsonl",
)
@click.option(
    "--endpoint",
    metavar="PATH",
    help="Of all lines, such as /v1/embeddings.",
    show_default="that of the first",
)
@_window
@_metadata
@click.option("--max-cost", metavar="USD", help="Create nothing that is estimated to cost more.")
@options.yes
@_every
@options.of_server
@options.output
def run(
    file: Path,
    model: str | None,
    out: Path | None,
    endpoint: str | None,
    window: str,
    metadata: tuple[str, ...],
    max_cost: str | None,
    *,
    yes: bool,
    every: float | None,
    base_url: str | None,
    api_key: str | None,
    output: Output | None,
) -> None:
    """Run a file of requests, and read the answers.

    The file is checked and uploaded, its batch watched. Ctrl-C leaves the batch
    running and tells the command that goes on. The same command with the same
    file goes on with the same batch; --metadata try=2 makes another one. The exit
    code is 3 unless all requests have succeeded.
    """
    from litebatch_asgi.cli.client.fetching import errors_beside
    from litebatch_asgi.cli.client.opening import opened, pairs
    from litebatch_asgi.cli.client.run import Asked, Run
    from litebatch_asgi.cli.client.targets import check_writable, is_same

    if not file.name:
        raise click.BadParameter(f"{file} cannot be read: it is a folder")
    out = out or file.with_name(f"{file.stem}.results{file.suffix or '.jsonl'}")
    if not out.name:
        raise click.BadParameter(f"-o {out}: that is a folder")
    target = None if out == STDOUT else out
    if target is not None:
        if is_same(target, file):
            raise click.BadParameter("-o names the file of requests itself")
        if is_same(errors_beside(target), file):
            raise click.BadParameter(f"-o {target}: its errors would go to the file of requests itself")
        check_writable(target)
    asked = Asked(
        file=file,
        out=target,
        model=model,
        endpoint=endpoint,
        window=window,
        metadata=pairs(metadata),
        max_cost=_dollars(max_cost),
        yes=yes,
        every_seconds=every,
        output=output,
        command=_command(locals()),
    )
    with opened(base_url, api_key) as (connection, screen):
        code = Run(connection, screen, asked).go()
    raise Exit(code)


@app.command(epilog=example("litebatch batches create file-abc123 --endpoint /v1/chat/completions"))
@click.argument("file", metavar="FILE_ID", help="An uploaded file of requests.")
@click.option("--endpoint", default="/v1/chat/completions", metavar="PATH", help="What the lines say.")
@_window
@_metadata
@click.option("--max-cost", metavar="USD", help="At a LiteBatch: refuse what may cost more.")
@click.option(
    "--idempotency-key",
    "key",
    metavar="KEY",
    help="The same key makes one batch.",
    show_default="a new one",
)
@options.of_server
@options.output
def create(
    file: str,
    endpoint: str,
    window: str,
    metadata: tuple[str, ...],
    max_cost: str | None,
    key: str | None,
    base_url: str | None,
    api_key: str | None,
    output: Output | None,
) -> None:
    """Create a batch of an uploaded file."""
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened, pairs

    body: dict[str, Any] = {"input_file_id": file, "endpoint": endpoint, "completion_window": window}
    if metadata:
        body["metadata"] = pairs(metadata)
    if (most := _dollars(max_cost)) is not None:
        body["litebatch"] = {"max_cost": f"{most:f}"}
    with opened(base_url, api_key) as (connection, _):
        batches.create(connection, body, key, output)


@app.command("list", epilog=example("litebatch batches list --limit 100"))
@options.limit(20)
@options.of_server
@options.output
def list_(limit: int, base_url: str | None, api_key: str | None, output: Output | None) -> None:
    """List batches, newest first."""
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        batches.list_batches(connection, limit, output)


@app.command(epilog=example(f"litebatch batches get {_AN_ID}"))
@_of_some
@options.of_server
@options.output
def get(batch: tuple[str, ...], base_url: str | None, api_key: str | None, output: Output | None) -> None:
    """Show all about batches."""
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        batches.get(connection, batch, output)


@app.command(epilog=example(f"litebatch batches watch {_AN_ID}"))
@_of_some
@_every
@options.of_server
@options.output
def watch(
    batch: tuple[str, ...],
    every: float | None,
    base_url: str | None,
    api_key: str | None,
    output: Output | None,
) -> None:
    """Watch batches until they have ended.

    The exit code is 3 unless all of their requests have succeeded.
    """
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        batches.follow(connection, screen, batch, every, output)


@app.command(
    epilog=example(
        f"litebatch batches results {_AN_ID} -o answers.jsonl",
        f"litebatch batches results {_AN_ID} --join requests.jsonl",
        f"litebatch batches results {_AN_ID} --format csv > answers.csv",
    )
)
@_of_one
@options.out
@click.option("--join", type=FILE, metavar="FILE", help="Put each request of this file beside its answer.")
@click.option(
    "--format",
    "form",
    type=OneOf(Format),
    default=Format.JSONL.value,
    help="JSON lines, or custom_id, status and text.",
)
@options.of_server
def results(
    batch: str, out: Path, join: Path | None, form: Format, base_url: str | None, api_key: str | None
) -> None:
    """Read the results of a batch that has ended, errors last.

    With --join they come in the order of the requests. Results that do not fit
    into memory wait in the system's temporary folder. The exit code is 3 unless
    all requests have succeeded.
    """
    from litebatch_asgi.cli.client.opening import opened
    from litebatch_asgi.cli.client.results import results as read
    from litebatch_asgi.cli.client.targets import check_writable, is_same

    target = None if out == STDOUT else out
    if target is not None and join is not None and is_same(target, join):
        raise click.BadParameter("-o names the file of requests itself")
    if target is not None:
        check_writable(target)
    with opened(base_url, api_key) as (connection, screen):
        read(connection, screen, batch, out=target, join=join, form=form)


@app.command(epilog=example(f"litebatch batches cancel {_AN_ID}"))
@_of_some
@options.of_server
@options.output
def cancel(batch: tuple[str, ...], base_url: str | None, api_key: str | None, output: Output | None) -> None:
    """Cancel batches; what is done by then is kept."""
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        batches.cancel(connection, batch, output)


@app.command(
    epilog=example(
        f"litebatch batches retry {_AN_ID}",
        f"litebatch batches retry {_AN_ID} --error-code rate_limit_exceeded",
    )
)
@_of_some
@click.option("--custom-id", multiple=True, metavar="CUSTOM_ID", help="Run this request; may be repeated.")
@click.option(
    "--error-code",
    multiple=True,
    metavar="CODE",
    help="Run requests whose error has this code; may be repeated.",
)
@options.of_server
@options.output
def retry(
    batch: tuple[str, ...],
    custom_id: tuple[str, ...],
    error_code: tuple[str, ...],
    base_url: str | None,
    api_key: str | None,
    output: Output | None,
) -> None:
    """Run again what has not succeeded, as new batches (LiteBatch).

    With --custom-id and --error-code only what one of them names.
    """
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        batches.retry(connection, batch, output, custom_ids=custom_id, error_codes=error_code)


@app.command(epilog=example(f"litebatch batches events {_AN_ID} --follow"))
@_of_one
@click.option("--follow", is_flag=True, help="Go on until the batch has ended.")
@options.of_server
@options.output
def events(
    batch: str, *, follow: bool, base_url: str | None, api_key: str | None, output: Output | None
) -> None:
    """Tell what has happened to a batch (LiteBatch)."""
    from litebatch_asgi.cli.client import batches
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        batches.events(connection, batch, output, follows=follow)


def _dollars(given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        amount = Decimal(given.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount < _MOST_DOLLARS:
        raise click.BadParameter(f"--max-cost {given}: write US dollars, such as 2.50")
    return amount


def _command(given: dict[str, Any]) -> tuple[str, ...]:
    """The command that goes on with a run, without the key."""
    words = ["litebatch", "batches", "run", str(given["file"])]
    for name in ("model", "out", "endpoint", "window", "max_cost", "every", "base_url", "output"):
        if given[name] not in (None, _WINDOW):
            words += [f"--{name.replace('_', '-')}", str(given[name])]
    words += [word for each in given["metadata"] for word in ("--metadata", each)]
    return (*words, *(["--yes"] if given["yes"] else []))
