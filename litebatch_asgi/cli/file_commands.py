"""The commands of `litebatch files` and their options."""

from __future__ import annotations

from pathlib import Path

import click

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output
from litebatch_asgi.cli.values import FILE, STDOUT

app: Group = Group(
    "files",
    help="Files, here and at any server that speaks OpenAI's API.",
    epilog=example(
        "litebatch files validate requests.jsonl --config litebatch.yaml",
        "litebatch files upload requests.jsonl",
    ),
)
_of_some = click.argument("file", nargs=-1, required=True, metavar="ID...", help="Of files.")


@app.command(epilog=example("litebatch files upload requests.jsonl"))
@click.argument("file", type=FILE, help="What is sent.")
@click.option("--purpose", default="batch", metavar="NAME", help="What it is for.")
@click.option(
    "--model", "-m", multiple=True, metavar="NAME", help="A gateway's model that it is for; may be repeated."
)
@options.of_server
@options.output
def upload(
    file: Path,
    purpose: str,
    model: tuple[str, ...],
    base_url: str | None,
    api_key: str | None,
    output: Output | None,
) -> None:
    """Upload a file."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        files.upload(connection, screen, file, purpose=purpose, models=model, output=output)


@app.command("list", epilog=example("litebatch files list --purpose batch"))
@click.option("--purpose", metavar="NAME", help="Those for this alone.")
@options.limit(20)
@options.of_server
@options.output
def list_(
    purpose: str | None, limit: int, base_url: str | None, api_key: str | None, output: Output | None
) -> None:
    """List files, newest first."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        files.list_files(connection, limit, purpose, output)


@app.command(epilog=example("litebatch files get file-abc123"))
@_of_some
@options.of_server
@options.output
def get(file: tuple[str, ...], base_url: str | None, api_key: str | None, output: Output | None) -> None:
    """Show files."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        files.get(connection, file, output)


@app.command(epilog=example("litebatch files content file-abc123 -o answers.jsonl"))
@click.argument("file", metavar="ID", help="Of a file.")
@options.out
@options.of_server
def content(file: str, out: Path, base_url: str | None, api_key: str | None) -> None:
    """Read what is in a file."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        files.content(connection, screen, file, None if out == STDOUT else out)


@app.command(epilog=example("litebatch files delete file-abc123 --yes"))
@_of_some
@options.yes
@options.of_server
def delete(file: tuple[str, ...], *, yes: bool, base_url: str | None, api_key: str | None) -> None:
    """Delete files."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        files.delete(connection, screen, file, yes=yes)


@app.command(
    epilog=example(
        "litebatch files validate requests.jsonl -m openai/gpt-4o-mini",
        "litebatch files validate requests.jsonl --config litebatch.yaml",
    )
)
@click.argument("file", type=FILE, help="JSONL, as for an upload.")
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    help="With --config the virtual model that lines must name, else the provider's model whose"
    " price counts.",
    show_default="the one of the lines",
)
@click.option(
    "--config", type=FILE, metavar="FILE", help="The gateway's: its models, limits and prices count."
)
@options.output
def validate(file: Path, model: str | None, config: Path | None, output: Output | None) -> None:
    """Check a file as an upload does, and estimate what a batch costs.

    It needs no gateway. All problems are told, each with its line; then the
    exit code is 1. Costs are those of a batch, in US dollars, at each deployment
    of the model. Input counts as a token for 4 bytes, output as long as the
    requests let their answers be.
    """
    from litebatch_asgi.cli.validate import validate as run

    run(file, model, config, output)
