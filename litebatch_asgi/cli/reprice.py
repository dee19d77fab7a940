"""`litebatch reprice`: what was charged becomes what today's prices make it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from click.exceptions import Exit

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.values import DATE, FILE

if TYPE_CHECKING:
    from litebatch_asgi.config import Config
    from litebatch_asgi.repricing import Change, Place, Repriced

COLUMNS = ("MODEL", "DEPLOYMENT", "BATCHES", "BEFORE", "AFTER", "DIFFERENCE")


@click.command(
    epilog=example(
        "litebatch reprice --since 2026-11-01 --dry-run --config litebatch.yaml",
        "litebatch reprice --since 2026-11-01 --model gpt-4o --config litebatch.yaml",
    )
)
@click.option(
    "--since",
    type=DATE,
    required=True,
    metavar="DATE",
    help="Charges made since then, in UTC, such as 2026-11-01.",
)
@click.option("--model", metavar="NAME", help="That answered, or that the batch names.", show_default="all")
@click.option(
    "--take-back", metavar="BATCH", help="Take back what this batch was charged: its usage is wrong."
)
@click.option("--dry-run", is_flag=True, help="Tell what would change, and write nothing.")
@click.option("--config", type=FILE, metavar="FILE", help="The gateway's, with the prices that count now.")
@click.option("--database", metavar="URL", help="In place of general_settings.database_url.")
@options.output
def reprice(
    since: datetime,
    model: str | None,
    take_back: str | None,
    *,
    dry_run: bool,
    config: Path | None,
    database: str | None,
    output: Output | None,
) -> None:
    """Correct what batches were charged, by today's prices.

    The prices are those that the configuration gives for the time of each
    charge. A correction is added where the sum differs; it counts on the day
    on which it is written. The command may be run beside a gateway, and again.
    It ends with exit code 1 if a charge could not be repriced.
    """
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.startup import Options, arm_failpoints

    read = Options(host="localhost", config=config, database=database).configuration(os.environ)
    arm_failpoints(os.environ)
    url = database_of(None, read.database_url)
    repriced = asyncio.run(_repriced(read, url, since.replace(tzinfo=UTC), model, take_back, dry_run=dry_run))
    rows = [_row(place, change) for place, change in sorted(repriced.changes.items())]
    print_rows(COLUMNS, rows, output)
    _tell(repriced, dry_run=dry_run)
    if repriced.refused:
        raise Exit(1)


async def _repriced(
    config: Config, url: str, since: datetime, model: str | None, take_back: str | None, *, dry_run: bool
) -> Repriced:
    from litebatch_asgi.catalog import Catalog
    from litebatch_asgi.cli.accounts import opened
    from litebatch_asgi.prices import load_prices
    from litebatch_asgi.repricing import Repricer

    catalog = Catalog(config.deployments, config.unserved)
    prices = load_prices(catalog, config.settings)
    async with opened(url) as storage:
        return await Repricer(storage, catalog, prices).reprice(
            since, model=model, take_back=take_back, dry_run=dry_run
        )


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """What the charges of a model at a deployment become."""

    model: str
    deployment: str
    batches: int
    before: str | None
    after: str
    difference: str


def _row(place: Place, change: Change) -> Row:
    costs = (_dollars(change.before), _dollars(change.after), _dollars(change.difference))
    cells = (place.model, place.deployment_id, str(change.batches), *costs)
    line = _Line(
        model=place.model,
        deployment=place.deployment_id,
        batches=change.batches,
        before=None if change.before is None else _dollars(change.before),
        after=_dollars(change.after),
        difference=_dollars(change.difference),
    )
    return Row(cells=cells, plain=cells, object=line)


def _dollars(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"{cost:f}"


def _tell(repriced: Repriced, *, dry_run: bool) -> None:
    """Totals, and what could not be done, for whoever looks on."""
    total = repriced.total
    if total.batches:
        done = "would be corrected" if dry_run else "were corrected"
        click.echo(
            f"{total.batches} of {repriced.looked_at} charges {done}: {_dollars(total.before)} US dollars "
            f"become {_dollars(total.after)}, a difference of {_dollars(total.difference)}",
            err=True,
        )
    else:
        click.echo(f"none of {repriced.looked_at} charges has to be corrected", err=True)
    for (reason, place), count in sorted(repriced.refused.items()):
        what = f"{count} charges" if count > 1 else "1 charge"
        click.echo(f"{what} of {place.model} at {place.deployment_id} cannot be repriced: {reason}", err=True)
