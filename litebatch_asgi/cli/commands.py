"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from litebatch_asgi.cli.check import check
from litebatch_asgi.cli.database_commands import app as database_commands
from litebatch_asgi.cli.key_commands import app as key_commands


class Flavour(StrEnum):
    """Whose API is simulated."""

    OPENAI = "openai"
    AZURE = "azure"


app: typer.Typer = typer.Typer(
    name="litebatch",
    help="OpenAI's Files and Batches API over many provider deployments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(key_commands)
app.command()(check)
app.add_typer(database_commands)


@app.command()
def serve(
    config: Annotated[
        Path | None,
        typer.Option(help="YAML; a LiteLLM configuration works. Without it: OPENAI_API_KEY."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond loopback a master key is needed.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 4000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; more than one need PostgreSQL.")] = 1,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="In place of general_settings.database_url.")
    ] = None,
    reconciler: Annotated[
        bool,
        typer.Option(
            "--reconciler/--no-reconciler",
            help="Without: requests only; `litebatch work` on the same database looks after batches.",
        ),
    ] = True,
    drain: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="SECONDS",
            show_default="20",
            help="How long requests in progress may go on once it is to stop.",
        ),
    ] = None,
) -> None:
    """Run the standalone gateway."""
    from litebatch_asgi.cli.serve import serve as run
    from litebatch_asgi.server.listen import DRAIN_SECONDS
    from litebatch_asgi.server.startup import Options

    options = Options(
        host=host,
        config=config,
        database=database,
        workers=workers,
        reconciler=reconciler,
        drain_seconds=drain or DRAIN_SECONDS,
    )
    run(options, port)


@app.command()
def work(
    config: Annotated[Path | None, typer.Option(help="As for `serve`.")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="As for `serve`.")] = None,
) -> None:
    """Look after batches, without serving requests."""
    from litebatch_asgi.cli.work import work as run
    from litebatch_asgi.server.startup import Options

    run(Options(host="localhost", config=config, database=database))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave gateway and simulator running.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, show_default="4000, or a free one")] = None,
) -> None:
    """Run the whole client journey against simulated deployments, step by step."""
    from litebatch_asgi.cli.demo import run

    run(keep=keep, port=port)


@app.command()
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9000,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    flavour: Annotated[Flavour, typer.Option(help="Whose API.")] = Flavour.OPENAI,
    directory: Annotated[
        Path | None, typer.Option(help="Where files are kept.", show_default="a temporary folder")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Such as running_seconds=5; may be repeated."),
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="JSON",
            help="""Such as '{"call": "create_batch", "status": 429}'; may be repeated.""",
        ),
    ] = None,
) -> None:
    """Run the provider simulator alone."""
    from litebatch_asgi.cli.simulate import simulate as run

    assignments = [f"flavour={flavour}", *(settings or ())]
    run(host, port, directory=directory, settings=assignments, faults=faults or ())
