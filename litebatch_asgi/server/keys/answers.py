"""Keys, users and teams as they are shown: the fields are LiteLLM's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litebatch_asgi.models import Account, Team, User, VirtualKey
from litebatch_asgi.models.keys import LIMITS


def key_row(key: VirtualKey) -> dict[str, Any]:
    """A key, by which nobody can find out its secret."""
    return {
        "token": key.token,
        "token_id": key.token,
        "key_name": key.hint,
        "key_alias": key.alias,
        "user_id": key.user_id,
        "team_id": key.team_id,
        "owner": key.owner,
        "expires": _time(key.expires_at),
    } | _account(key)


def new_key(key: VirtualKey, secret: str) -> dict[str, Any]:
    """A key that was just made, with its secret."""
    return {"key": secret} | key_row(key)


def team_row(team: Team) -> dict[str, Any]:
    """A team."""
    members: list[str] = []  # nobody is a member of a team here: keys are
    return {"team_id": team.id, "team_alias": team.alias, "members_with_roles": members} | _account(team)


def user_row(user: User) -> dict[str, Any]:
    """A user."""
    return {
        "user_id": user.id,
        "user_alias": user.alias,
        "user_email": user.email,
        "user_role": user.role,
    } | _account(user)


def _account(account: Account) -> dict[str, Any]:
    return {
        "models": account.models,
        **{name: getattr(account, name) for name in LIMITS},
        "max_budget": None if account.max_budget is None else float(account.max_budget),
        "blocked": account.blocked,
        "metadata": account.metadata,
        "created_at": _time(account.created_at),
        "updated_at": _time(account.updated_at),
        "created_by": account.created_by,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
