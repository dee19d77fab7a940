"""The commands of `litebatch files` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

app: typer.Typer = typer.Typer(
    name="files",
    help="Files of requests, before they are uploaded.",
    epilog=example("litebatch files validate requests.jsonl --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.callback()
def files() -> None:
    """Files of requests, before they are uploaded."""


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
