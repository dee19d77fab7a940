"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from litebatch_asgi.cli.adopt import adopt
from litebatch_asgi.cli.batch_commands import app as batch_commands
from litebatch_asgi.cli.check import check
from litebatch_asgi.cli.completion import completion
from litebatch_asgi.cli.database_commands import app as database_commands
from litebatch_asgi.cli.deployment_commands import app as deployment_commands
from litebatch_asgi.cli.file_commands import app as file_commands
from litebatch_asgi.cli.job_commands import app as job_commands
from litebatch_asgi.cli.key_commands import app as key_commands
from litebatch_asgi.cli.metrics import metrics
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.outbox_commands import app as outbox_commands
from litebatch_asgi.cli.reprice import reprice
from litebatch_asgi.cli.team_commands import app as team_commands
from litebatch_asgi.cli.user_commands import app as user_commands


class Flavour(StrEnum):
    """Whose API is simulated."""

    OPENAI = "openai"
    AZURE = "azure"
    VERTEX = "vertex"
    ANTHROPIC = "anthropic"
    GROQ = "groq"
    MISTRAL = "mistral"
    VLLM = "vllm"


_IN_ORDER = (
    *("demo", "serve", "check", "batches", "files", "keys", "teams", "users", "deployments", "jobs"),
    *("reprice", "adopt", "outbox", "database", "metrics", "work", "simulate", "completion"),
)
"""what is used first and most often comes first"""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """The names, as the help lists them."""
        return sorted(super().list_commands(ctx), key=_IN_ORDER.index)


app: typer.Typer = typer.Typer(
    name="litebatch",
    cls=_Commands,
    help="OpenAI's Files and Batches API over many provider deployments.",
    epilog=example(
        "litebatch demo",
        "litebatch serve --config litebatch.yaml",
        "litebatch batches run requests.jsonl -m gpt-4o-batch",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"litebatch {version('litebatch-asgi')}")
        raise typer.Exit


@app.callback()
def litebatch(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """OpenAI's Files and Batches API over many provider deployments."""


@app.command(
    epilog=example(
        "litebatch serve --config litebatch.yaml",
        "OPENAI_API_KEY=sk-... litebatch serve",
    )
)
def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML; a LiteLLM one works. Without it: OPENAI_API_KEY and the like."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Where to listen; beyond loopback a master key is needed.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 4000,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes; more than one need PostgreSQL.")
    ] = 1,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="In place of general_settings.database_url.")
    ] = None,
    reconciler: Annotated[
        bool,
        typer.Option(
            "--reconciler/--no-reconciler",
            help="Look after batches too, or leave that to `litebatch work`.",
        ),
    ] = True,
    drain: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="SECONDS",
            show_default="20",
            help="How long requests in progress may go on at the end.",
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


@app.command(epilog=example("litebatch work --config litebatch.yaml"))
def work(
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="As for `serve`.")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="As for `serve`.")] = None,
) -> None:
    """Look after batches, without serving requests."""
    from litebatch_asgi.cli.work import work as run
    from litebatch_asgi.server.startup import Options

    run(Options(host="localhost", config=config, database=database))


@app.command(epilog=example("litebatch demo --keep"))
def demo(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave it running, with a page to look at, and curl lines to paste."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Of the gateway.", show_default="4000, or a free one"
        ),
    ] = None,
) -> None:
    """Show a whole batch, at simulated providers."""
    from litebatch_asgi.cli.demo import run

    run(keep=keep, port=port)


@app.command(
    epilog=example(
        "litebatch simulate --flavour azure --set running_seconds=5",
        """litebatch simulate --fault '{"call": "create_batch", "status": 429}'""",
    )
)
def simulate(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 9000,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    flavour: Annotated[Flavour, typer.Option(help="Whose API.")] = Flavour.OPENAI,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where files are kept.", show_default="a temporary one"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="How it behaves; may be repeated."),
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="JSON",
            help="What goes wrong; may be repeated.",
        ),
    ] = None,
) -> None:
    """Run the provider simulator alone."""
    from litebatch_asgi.cli.simulate import simulate as run

    assignments = [f"flavour={flavour}", *(settings or ())]
    run(host, port, directory=directory, settings=assignments, faults=faults or ())


app.command(epilog=example("litebatch check --config litellm.yaml"))(check)
app.command(
    epilog=example(
        "litebatch completion bash >> ~/.bashrc",
        "litebatch completion zsh >> ~/.zshrc",
        "litebatch completion fish > ~/.config/fish/completions/litebatch.fish",
    )
)(completion)
app.command(
    epilog=example(
        "litebatch reprice --since 2026-11-01 --dry-run --config litebatch.yaml",
        "litebatch reprice --since 2026-11-01 --model gpt-4o --config litebatch.yaml",
    )
)(reprice)
app.command(
    epilog=example(
        "litebatch adopt --deployment eu-general --owner team:search --dry-run",
        "litebatch adopt --deployment eu-general --owner user:7 --since 2026-11-01",
    )
)(adopt)
app.command(
    epilog=example(
        "litebatch metrics --dashboard > litebatch.json", "litebatch metrics --alerts > alerts.yaml"
    )
)(metrics)
app.add_typer(batch_commands)
app.add_typer(file_commands)
app.add_typer(key_commands)
app.add_typer(team_commands)
app.add_typer(user_commands)
app.add_typer(database_commands)
app.add_typer(outbox_commands)
app.add_typer(job_commands)
app.add_typer(deployment_commands)
