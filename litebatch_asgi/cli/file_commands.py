"""The commands of `litebatch files` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

FileIds: TypeAlias = Annotated[list[str], typer.Argument(metavar="ID", help="Of files.")]

app: typer.Typer = typer.Typer(
    name="files",
    help="Files, here and at any server that speaks OpenAI's API.",
    epilog=example(
        "litebatch files validate requests.jsonl --config litebatch.yaml",
        "litebatch files upload requests.jsonl",
    ),
    no_args_is_help=True,
)


@app.command(epilog=example("litebatch files upload requests.jsonl"))
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What is sent.")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="NAME", help="What it is for.")] = "batch",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="A gateway's model that it is for; may be repeated."
        ),
    ] = None,
    base_url: options.BaseUrl = None,
    api_key: options.ApiKey = None,
    output: options.Output = None,
) -> None:
    """Upload a file."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        files.upload(connection, screen, file, purpose=purpose, models=model or (), output=output)


@app.command("list", epilog=example("litebatch files list --purpose batch"))
def list_(
    purpose: Annotated[
        str | None, typer.Option("--purpose", metavar="NAME", help="Those for this alone.")
    ] = None,
    limit: options.Limit = 20,
    base_url: options.BaseUrl = None,
    api_key: options.ApiKey = None,
    output: options.Output = None,
) -> None:
    """List files, newest first."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        files.list_files(connection, limit, purpose, output)


@app.command(epilog=example("litebatch files get file-abc123"))
def get(
    file: FileIds,
    base_url: options.BaseUrl = None,
    api_key: options.ApiKey = None,
    output: options.Output = None,
) -> None:
    """Show files."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, _):
        files.get(connection, file, output)


@app.command(epilog=example("litebatch files content file-abc123 -o answers.jsonl"))
def content(
    file: Annotated[str, typer.Argument(metavar="ID", help="Of a file.")],
    out: options.Out = options.STDOUT,
    base_url: options.BaseUrl = None,
    api_key: options.ApiKey = None,
) -> None:
    """Read what is in a file."""
    from litebatch_asgi.cli.client import files
    from litebatch_asgi.cli.client.opening import opened

    with opened(base_url, api_key) as (connection, screen):
        files.content(connection, screen, file, None if out == options.STDOUT else out)


@app.command(epilog=example("litebatch files delete file-abc123 --yes"))
def delete(
    file: FileIds,
    yes: options.Yes = False,
    base_url: options.BaseUrl = None,
    api_key: options.ApiKey = None,
) -> None:
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
def validate(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSONL, as for an upload."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="With --config the virtual model that lines must name, else the provider's model whose"
            " price counts.",
            show_default="the one of the lines",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The gateway's: its models, limits and prices count."),
    ] = None,
    output: options.Output = None,
) -> None:
    """Check a file as an upload does, and estimate what a batch costs.

    It needs no gateway. All problems are told, each with its line; then the
    exit code is 1. Costs are those of a batch, in US dollars, at each deployment
    of the model. Input counts as a token for 4 bytes, output as long as the
    requests let their answers be.
    """
    from litebatch_asgi.cli.validate import validate as run

    run(file, model, config, output)
