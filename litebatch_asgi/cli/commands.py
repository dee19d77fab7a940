"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from litebatch_asgi.cli.adopt import adopt
from litebatch_asgi.cli.batch_commands import app as batch_commands
from litebatch_asgi.cli.check import check
from litebatch_asgi.cli.completion import completion
from litebatch_asgi.cli.database_commands import app as database_commands
from litebatch_asgi.cli.deployment_commands import app as deployment_commands
from litebatch_asgi.cli.file_commands import app as file_commands
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.job_commands import app as job_commands
from litebatch_asgi.cli.key_commands import app as key_commands
from litebatch_asgi.cli.metrics import metrics
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.outbox_commands import app as outbox_commands
from litebatch_asgi.cli.reprice import reprice
from litebatch_asgi.cli.team_commands import app as team_commands
from litebatch_asgi.cli.user_commands import app as user_commands
from litebatch_asgi.cli.values import FILE, PORT, OneOf, Whole

_INTERRUPTED = 130


class Flavour(StrEnum):
    """Whose API is simulated."""

    OPENAI = "openai"
    AZURE = "azure"
    VERTEX = "vertex"
    ANTHROPIC = "anthropic"
    GROQ = "groq"
    MISTRAL = "mistral"
    VLLM = "vllm"


class _Commands(Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; after Ctrl-C nothing more is told."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Exit(_INTERRUPTED) from None


@click.group(
    "litebatch",
    cls=_Commands,
    epilog=example(
        "litebatch demo",
        "litebatch serve --config litebatch.yaml",
        "litebatch batches run requests.jsonl -m gpt-4o-batch",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(
    package_name="litebatch-asgi", message="litebatch %(version)s", help="Print the version and exit."
)
def app() -> None:
    """OpenAI's Files and Batches API over many provider deployments."""


@click.command(
    epilog=example(
        "litebatch serve --config litebatch.yaml",
        "OPENAI_API_KEY=sk-... litebatch serve",
    )
)
@click.option(
    "--config",
    type=FILE,
    metavar="FILE",
    help="YAML; a LiteLLM one works. Without it: OPENAI_API_KEY and the like.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="HOST",
    help="Where to listen; beyond loopback a master key is needed.",
)
@click.option("--port", type=PORT, default=4000, metavar="PORT", help="0 takes a free one.")
@click.option(
    "--workers",
    type=Whole(1),
    default=1,
    metavar="N",
    help="Processes; more than one need PostgreSQL.",
)
@click.option("--database", metavar="URL", help="In place of general_settings.database_url.")
@click.option(
    "--reconciler/--no-reconciler",
    default=True,
    help="Look after batches too, or leave that to `litebatch work`.",
)
@click.option(
    "--drain",
    type=Whole(1),
    metavar="SECONDS",
    show_default="20",
    help="How long requests in progress may go on at the end.",
)
def serve(
    config: Path | None,
    host: str,
    port: int,
    workers: int,
    database: str | None,
    *,
    reconciler: bool,
    drain: int | None,
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


@click.command(epilog=example("litebatch work --config litebatch.yaml"))
@click.option("--config", type=FILE, metavar="FILE", help="As for `serve`.")
@click.option("--database", metavar="URL", help="As for `serve`.")
def work(config: Path | None, database: str | None) -> None:
    """Look after batches, without serving requests."""
    from litebatch_asgi.cli.work import work as run
    from litebatch_asgi.server.startup import Options

    run(Options(host="localhost", config=config, database=database))


@click.command(epilog=example("litebatch demo --keep"))
@click.option(
    "--keep", is_flag=True, help="Leave it running, with a page to look at, and curl lines to paste."
)
@click.option("--port", type=PORT, metavar="PORT", help="Of the gateway.", show_default="4000, or a free one")
def demo(*, keep: bool, port: int | None) -> None:
    """Show a whole batch, at simulated providers."""
    from litebatch_asgi.cli.demo import run

    run(keep=keep, port=port)


@click.command(
    epilog=example(
        "litebatch simulate --flavour azure --set running_seconds=5",
        """litebatch simulate --fault '{"call": "create_batch", "status": 429}'""",
    )
)
@click.option("--port", type=PORT, default=9000, metavar="PORT", help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", metavar="HOST", help="Where to listen.")
@click.option("--flavour", type=OneOf(Flavour), default=Flavour.OPENAI.value, help="Whose API.")
@click.option(
    "--directory",
    type=FILE,
    metavar="FOLDER",
    help="Where files are kept.",
    show_default="a temporary one",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="How it behaves; may be repeated.",
)
@click.option("--fault", "faults", multiple=True, metavar="JSON", help="What goes wrong; may be repeated.")
def simulate(
    port: int,
    host: str,
    flavour: Flavour,
    directory: Path | None,
    settings: tuple[str, ...],
    faults: tuple[str, ...],
) -> None:
    """Run the provider simulator alone."""
    from litebatch_asgi.cli.simulate import simulate as run

    run(host, port, directory=directory, settings=[f"flavour={flavour}", *settings], faults=faults)


# what is used first and most often comes first in the help
for _each in (
    *(demo, serve, check, batch_commands, file_commands, key_commands, team_commands, user_commands),
    *(deployment_commands, job_commands, reprice, adopt, outbox_commands, database_commands, metrics),
    *(work, simulate, completion),
):
    app.add_command(_each)
