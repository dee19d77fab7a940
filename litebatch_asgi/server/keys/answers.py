"""Keys, users and teams as they are shown, and the answers about them: the fields are LiteLLM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.models import Account, Team, User, VirtualKey
from litebatch_asgi.models.keys import LIMITS
from litebatch_asgi.models.periods import reset_at
from litebatch_asgi.server.keys.spending import Spent, scope_of

Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Warnings: TypeAlias = Sequence[str] | UnsetType
"""what of the request has no effect here; left out where there is nothing to warn of"""


Spend: TypeAlias = Annotated[
    Any,  # a Decimal, of which a schema would make a text
    Meta(
        description="US dollars charged in the present budget period. Told where one looks or lists.",
        extra_json_schema={"type": "number"},
    ),
]


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of keys, teams and users alike."""

    models: Sequence[str]
    max_batch_requests: int | None
    max_open_batches: int | None
    max_enqueued_requests: int | None
    max_enqueued_tokens: int | None
    max_file_bytes: int | None
    max_files: int | None
    max_budget: float | None
    soft_budget: float | None
    budget_duration: str | None
    budget_reset_at: Time | None
    """when the budgets begin anew; null: never"""
    spend: Spend = UNSET
    blocked: bool
    metadata: Mapping[str, Any]
    created_at: Time
    updated_at: Time
    created_by: str | None


class KeyRow(AccountRow, frozen=True, kw_only=True):
    """A key, by which nobody can find out its secret."""

    token: str
    token_id: str
    key_id: str
    """which spend and batches have of it"""
    key_name: str
    key_alias: str | None
    user_id: str | None
    team_id: str | None
    owner: str
    expires: Time | None


class NewKey(KeyRow, frozen=True, kw_only=True):
    """A key with a new secret, which is shown this once."""

    key: str
    warnings: Warnings = UNSET


class ChangedKey(KeyRow, frozen=True, kw_only=True):
    """A key that was changed; `key` is its token."""

    key: str
    warnings: Warnings = UNSET


class DeletedKeysAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that are gone, by the names that the request had for them."""

    deleted_keys: Sequence[str]
    warnings: Warnings = UNSET


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One key, by its token."""

    key: str
    info: KeyRow


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of keys: their tokens, or all about them if `return_full_object` is true."""

    keys: Sequence[str | KeyRow]
    total_count: int
    current_page: int
    total_pages: int


class TeamRow(AccountRow, frozen=True, kw_only=True):
    """A team."""

    team_id: str
    team_alias: str | None
    members_with_roles: Sequence[Any] = ()
    """nobody is a member of a team here: keys are"""


class NewTeam(TeamRow, frozen=True, kw_only=True):
    """A team that was made."""

    warnings: Warnings = UNSET


class ChangedTeam(msgspec.Struct, frozen=True, kw_only=True):
    """A team that was changed."""

    team_id: str
    data: TeamRow
    warnings: Warnings = UNSET


class DeletedTeamsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The teams that are gone."""

    deleted_teams: Sequence[str]
    warnings: Warnings = UNSET


class TeamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A team with its newest keys."""

    team_id: str
    team_info: TeamRow
    keys: Sequence[KeyRow]
    team_memberships: Sequence[Any] = ()


class UserRow(AccountRow, frozen=True, kw_only=True):
    """A user."""

    user_id: str
    user_alias: str | None
    user_email: str | None
    user_role: str | None


class NewUser(UserRow, frozen=True, kw_only=True):
    """A user that was made, with the key that was made for it, unless there is none."""

    key: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    token_id: str | UnsetType = UNSET
    key_id: str | UnsetType = UNSET
    key_name: str | UnsetType = UNSET
    key_alias: str | UnsetType | None = UNSET
    team_id: str | UnsetType | None = UNSET
    owner: str | UnsetType = UNSET
    expires: Time | UnsetType | None = UNSET
    warnings: Warnings = UNSET


class ChangedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user that was changed."""

    user_id: str
    data: UserRow
    warnings: Warnings = UNSET


class UserInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A user with its newest keys, and their teams."""

    user_id: str
    user_info: UserRow
    keys: Sequence[KeyRow]
    teams: Sequence[TeamRow]


class UserPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of users."""

    users: Sequence[UserRow]
    total: int
    page: int
    page_size: int
    total_pages: int


def key_row(key: VirtualKey, spent: Spent | None = None) -> KeyRow:
    """A key as it is shown."""
    return KeyRow(**key_fields(key), spend=_spend(key, spent))


def key_fields(key: VirtualKey) -> dict[str, Any]:
    """The fields of a `KeyRow`."""
    return {
        "token": key.token,
        "token_id": key.token,
        "key_id": key.id,
        "key_name": key.hint,
        "key_alias": key.alias,
        "user_id": key.user_id,
        "team_id": key.team_id,
        "owner": key.owner,
        "expires": _time(key.expires_at),
    } | _account_fields(key)


def team_row(team: Team, spent: Spent | None = None) -> TeamRow:
    """A team as it is shown."""
    return TeamRow(**team_fields(team), spend=_spend(team, spent))


def team_fields(team: Team) -> dict[str, Any]:
    """The fields of a `TeamRow`."""
    return {"team_id": team.id, "team_alias": team.alias} | _account_fields(team)


def user_row(user: User, spent: Spent | None = None) -> UserRow:
    """A user as it is shown."""
    return UserRow(**user_fields(user), spend=_spend(user, spent))


def user_fields(user: User) -> dict[str, Any]:
    """The fields of a `UserRow`."""
    return {
        "user_id": user.id,
        "user_alias": user.alias,
        "user_email": user.email,
        "user_role": user.role,
    } | _account_fields(user)


def warned(warnings: Sequence[str]) -> Warnings:
    """The warnings of an answer."""
    return warnings or UNSET


def _spend(account: Account, spent: Spent | None) -> Decimal | UnsetType:
    return UNSET if spent is None else spent[scope_of(account)] or Decimal(0)


def _account_fields(account: Account) -> dict[str, Any]:
    return {
        "models": account.models,
        **{name: getattr(account, name) for name in LIMITS},
        "max_budget": _dollars(account.max_budget),
        "soft_budget": _dollars(account.soft_budget),
        "budget_duration": account.budget_duration,
        "budget_reset_at": _time(reset_at(account.budget_duration, datetime.now(UTC))),
        "blocked": account.blocked,
        "metadata": account.metadata,
        "created_at": _time(account.created_at),
        "updated_at": _time(account.updated_at),
        "created_by": account.created_by,
    }


def _dollars(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
