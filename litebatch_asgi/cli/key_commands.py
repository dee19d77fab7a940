"""The commands of `litebatch keys` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from litebatch_asgi.cli import account_options, options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "keys",
    help="Virtual keys, in a gateway's database.",
    epilog=example("litebatch keys list --config litebatch.yaml"),
)


@app.command(
    epilog=example(
        "litebatch keys create --alias ci --team search --duration 30d",
        "litebatch keys create --user ann --max-budget 100 --budget-duration 30d",
        "KEY=$(litebatch keys create --model gpt-4o-batch)",
    )
)
@click.option("--alias", metavar="NAME", help="A name for it.")
@account_options.models
@click.option("--user", metavar="ID", help="Whose key it is; made if need be.")
@click.option("--team", metavar="ID", help="The team that shares what is made with it.")
@account_options.inherit
@account_options.duration
@account_options.limits
@options.of_database
@options.output
def create(
    alias: str | None,
    model: tuple[str, ...],
    user: str | None,
    team: str | None,
    duration: str | None,
    *,
    inherit: bool,
    config: Path | None,
    database: str | None,
    output: Output | None,
    **limits: Any,
) -> None:
    """Make a key and print it, this once."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewKeyFields

    fields = NewKeyFields(
        key_alias=alias,
        models=list(model) or None,
        user_id=user,
        team_id=team,
        inherit=inherit,
        duration=duration,
        **limits,
    )
    keys.create(database_of(config, database), fields, output=output)


def _keys() -> Accounts:
    from litebatch_asgi.cli import keys

    return keys


add_commands(
    app,
    Words(
        plural="keys",
        argument="KEY",
        named_by="Its alias, its token, or the key itself.",
        block="Block a key, until it is unblocked.",
        unblock="Let a blocked key go on.",
        delete="Delete a key; its files and batches stay its owner's.",
        example="ci",
    ),
    _keys,
)
