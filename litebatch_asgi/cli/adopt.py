"""`litebatch adopt`: batches and files that were made elsewhere become managed ones."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.values import DATE, FILE

if TYPE_CHECKING:
    from litebatch_asgi.adoption import Adopted, Adopter
    from litebatch_asgi.config import Config

COLUMNS = ("KIND", "PROVIDER'S ID", "ID", "STATUS", "REQUESTS", "OUTCOME")


@click.command(
    epilog=example(
        "litebatch adopt --deployment eu-general --owner team:search --dry-run",
        "litebatch adopt --deployment eu-general --owner user:7 --since 2026-11-01",
    )
)
@click.option(
    "--deployment",
    required=True,
    metavar="ID",
    help="Of the configuration, as `litebatch check` shows it.",
)
@click.option(
    "--owner",
    required=True,
    metavar="OWNER",
    help="Who gets them, such as team:search, user:7 or key:ab12.",
)
@click.option(
    "--since",
    type=DATE,
    default=datetime(2020, 1, 1),
    metavar="DATE",
    help="Only what was made since then, in UTC.",
    show_default="all",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be adopted, and write nothing.")
@click.option("--config", type=FILE, metavar="FILE", help="The gateway's, which has the deployment.")
@click.option("--database", metavar="URL", help="In place of general_settings.database_url.")
@options.output
def adopt(
    deployment: str,
    owner: str,
    since: datetime,
    *,
    dry_run: bool,
    config: Path | None,
    database: str | None,
    output: Output | None,
) -> None:
    """Take over batches and files of a deployment.

    Those that were made elsewhere get unified ids and an owner; a running gateway then follows the
    batches, publishes their results and charges them, as if it had made them.
    Each input is read once. What cannot be read, or is for another model, is
    passed over and told. The command may be run beside a gateway, and again:
    nothing is adopted twice.
    """
    from litebatch_asgi.server.startup import Options, arm_failpoints
    from litebatch_asgi.wire import checks
    from litebatch_asgi.wire.queries import MAX_OWNER

    read = Options(host="localhost", config=config, database=database).configuration(os.environ)
    arm_failpoints(os.environ)
    checks.plain(checks.no_longer_than(MAX_OWNER, owner, "owner"), "owner")
    if not owner.strip():
        raise click.BadParameter("the owner is empty", param_hint="--owner")
    found = asyncio.run(_adopted(read, deployment, owner, since.replace(tzinfo=UTC), dry_run=dry_run))
    print_rows(COLUMNS, [_row(each, dry_run=dry_run) for each in found if each.outcome != "known"], output)
    _tell(found, dry_run=dry_run)


async def _adopted(
    config: Config, deployment_id: str, owner: str, since: datetime, *, dry_run: bool
) -> list[Adopted]:
    from litebatch_asgi.errors import ProviderError, Unavailable

    async with _adopter(config, deployment_id, owner, dry_run=dry_run) as adopter:
        try:
            return [each async for each in adopter.adopt(since)]
        except ProviderError as error:
            click.echo(f"error: {deployment_id} does not list what it has: {error.message}", err=True)
            raise Exit(1) from error
        except Unavailable as error:
            click.echo(f"error: {error.message}", err=True)
            raise Exit(1) from error


@asynccontextmanager
async def _adopter(
    config: Config, deployment_id: str, owner: str, *, dry_run: bool
) -> AsyncGenerator[Adopter]:
    from litebatch_asgi.adoption import Adopter
    from litebatch_asgi.adoption.rows import Account
    from litebatch_asgi.catalog import Catalog
    from litebatch_asgi.cli.accounts import database_of, installed
    from litebatch_asgi.errors import ConfigError
    from litebatch_asgi.fleet import load_factories
    from litebatch_asgi.prices import load_prices

    catalog = Catalog(config.deployments, config.unserved)
    found = catalog.deployments.get(deployment_id)
    if found is None:
        known = ", ".join(catalog.deployments)
        raise ConfigError(f"there is no deployment {deployment_id!r} in the configuration, which has {known}")
    if found.is_live:
        raise ConfigError(f"the deployment {deployment_id!r} runs live: there is nothing to adopt")
    adapter = load_factories([found.provider])[found.provider](found, config.settings)
    try:
        async with installed(database_of(None, config.database_url)) as (storage, installation):
            account = Account(
                installation_id=installation.id,
                deployment_id=deployment_id,
                deployment=found,
                owner=owner,
            )
            yield Adopter(
                storage,
                account,
                adapter,
                config.settings,
                thresholds=load_prices(catalog, config.settings).thresholds,
                dry_run=dry_run,
            )
    finally:
        await adapter.aclose()


def _row(adopted: Adopted, *, dry_run: bool) -> Row:
    would = "would be adopted" if dry_run else "adopted"
    outcome = would if adopted.reason is None else f"passed over: {adopted.reason}"
    requests = "" if adopted.requests is None else str(adopted.requests)
    cells = (
        *(adopted.kind, adopted.provider_id, adopted.id or ""),
        *(adopted.status or "", requests, outcome),
    )
    return Row(cells=cells, plain=cells, object=adopted)


def _tell(found: list[Adopted], *, dry_run: bool) -> None:
    """How many of each, for whoever looks on."""
    counts = Counter[tuple[str, str]]((each.kind, each.outcome) for each in found)
    for kind, word in (("batch", "batches"), ("file", "files without a batch")):
        adopted, known, passed = (counts[kind, outcome] for outcome in ("adopted", "known", "passed_over"))
        would = "would be adopted" if dry_run else "are adopted"
        click.echo(f"{word}: {adopted} {would}, {known} were managed before, {passed} passed over", err=True)
