"""What `litebatch teams` does."""

from __future__ import annotations

import click

from litebatch_asgi.cli import accounts
from litebatch_asgi.cli.accounts import BY, by_id, every, models_of, with_service
from litebatch_asgi.cli.output import Output, Row, print_object, print_rows
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.models import Team
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.answers import team_row
from litebatch_asgi.server.keys.bodies import NewTeamFields

COLUMNS = ("TEAM", "ALIAS", "MODELS", "CREATED", "STATE")


def create(url: str, fields: NewTeamFields, *, output: Output | None) -> None:
    """Make a team and print its id."""

    async def run(service: KeyService) -> None:
        team = await service.create_team(fields, by=BY)
        if output is Output.JSON:
            print_object(team_row(team))
        else:
            click.echo(team.id)
        tell(f"a key for it: litebatch keys create --team {team.id}")

    with_service(url, run)


def show(url: str, *, output: Output | None) -> None:
    """Print all teams, newest first."""

    async def run(service: KeyService) -> None:
        teams = await every(service, Team)
        print_rows(COLUMNS, map(_row, teams), output)
        if not teams:
            accounts.tell_none(url, Team)

    with_service(url, run)


def _row(team: Team) -> Row:
    state = "blocked" if team.blocked else "active"
    name, made = (team.id, team.alias or "-"), f"{team.created_at:%Y-%m-%d}"
    return Row(
        cells=(*name, models_of(team), made, state),
        plain=(*name, models_of(team, ","), made, state),
        object=team_row(team),
    )


def set_blocked(url: str, team_id: str, *, blocked: bool) -> None:
    """Block all keys of a team, or let them go on."""
    accounts.set_blocked(url, Team, lambda service: by_id(service, Team, team_id, url), blocked=blocked)


def delete(url: str, team_id: str, *, yes: bool) -> None:
    """Delete a team with its keys, once that is confirmed."""
    accounts.delete(url, Team, lambda service: by_id(service, Team, team_id, url), yes=yes)
