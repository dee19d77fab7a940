"""The commands of `litebatch keys` and their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.account_options import with_limits
from litebatch_asgi.cli.options import example

app: typer.Typer = typer.Typer(
    name="keys",
    help="Virtual keys, in a gateway's database.",
    epilog=example("litebatch keys list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(
    epilog=example(
        "litebatch keys create --alias ci --team search --duration 30d",
        "litebatch keys create --user ann --max-budget 100 --budget-duration 30d",
        "KEY=$(litebatch keys create --model gpt-4o-batch)",
    )
)
@with_limits
def create(
    alias: Annotated[str | None, typer.Option("--alias", metavar="NAME", help="A name for it.")] = None,
    model: options.Models = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Whose key it is; made if need be.")
    ] = None,
    team: Annotated[
        str | None, typer.Option("--team", metavar="ID", help="The team that shares what is made with it.")
    ] = None,
    inherit: options.Inherit = False,
    duration: options.Duration = None,
    *,
    limits: Mapping[str, Any],
    config: options.Config = None,
    database: options.Database = None,
    output: options.Output = None,
) -> None:
    """Make a key and print it, this once."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewKeyFields

    fields = NewKeyFields(
        key_alias=alias,
        models=model,
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
