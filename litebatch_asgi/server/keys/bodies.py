"""What requests about keys, users and teams say.

Fields that are left out stay as they are when something is changed; null takes a value away. Whatever is
wrong raises `InvalidRequest` with the parameter. Fields that mean nothing here, of which LiteLLM has many,
are told back as warnings: a limit that is not kept must not go unnoticed.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.keys import LIMITS
from litebatch_asgi.wire import checks

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Texts: TypeAlias = Annotated[list[Text], Meta(max_length=1000)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]

MOST_DOLLARS = 1_000_000_000
MOST_DECIMALS = 30
"""of a number of dollars; PostgreSQL has no room for as many as JSON"""
_PLACE = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<path>[^`]*)`$")
_NO_BUDGET = "max_budget is kept and shown, but nothing is refused because of it"


class AccountFields(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a key, a user and a team alike."""

    models: Texts | UnsetType | None = UNSET
    max_batch_requests: Number | UnsetType | None = UNSET
    max_open_batches: Number | UnsetType | None = UNSET
    max_enqueued_requests: Number | UnsetType | None = UNSET
    max_enqueued_tokens: Number | UnsetType | None = UNSET
    max_file_bytes: Number | UnsetType | None = UNSET
    max_files: Number | UnsetType | None = UNSET
    max_budget: Decimal | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        budget = self.max_budget
        if isinstance(budget, Decimal) and not _is_amount(budget):
            raise InvalidRequest(
                f"Invalid 'max_budget': a number of dollars from 0 to {MOST_DOLLARS}, "
                f"with at most {MOST_DECIMALS} decimals.",
                param="max_budget",
                code="invalid_value",
            )
        for name in self.__struct_fields__:
            if isinstance(value := getattr(self, name), str):
                checks.plain(value, name)
        for model in self.models or ():
            checks.plain(model, "models")

    def account_changes(self) -> dict[str, Any]:
        """The fields of an `Account` that are given, with their values."""
        names = ("models", *LIMITS, "max_budget", "blocked", "metadata")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not UNSET}
        if "models" in given:
            given["models"] = tuple(given["models"] or ())
        if "metadata" in given:
            given["metadata"] = given["metadata"] or {}
        if "blocked" in given:
            given["blocked"] = bool(given["blocked"])
        return given

    def warnings(self) -> list[str]:
        """What of it has no effect."""
        return [_NO_BUDGET] if isinstance(self.max_budget, Decimal) else []


class KeyFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a key. `key` is its secret or, of one that is there, also its token.

    A user that it names is made if need be; `inherit` is whether a new one may own what is there already.
    """

    key: Text | None = None
    inherit: bool = False
    key_alias: Text | UnsetType | None = UNSET
    user_id: Text | UnsetType | None = UNSET
    team_id: Text | UnsetType | None = UNSET
    duration: Text | UnsetType | None = UNSET

    def key_changes(self) -> dict[str, Any]:
        """The fields of a `VirtualKey` that are given, except for when it expires."""
        renamed = {"alias": self.key_alias, "user_id": self.user_id, "team_id": self.team_id}
        return self.account_changes() | {name: value for name, value in renamed.items() if value is not UNSET}


class TeamFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a team."""

    team_id: Text | None = None
    team_alias: Text | UnsetType | None = UNSET

    def team_changes(self) -> dict[str, Any]:
        """The fields of a `Team` that are given."""
        alias = {} if self.team_alias is UNSET else {"alias": self.team_alias}
        return self.account_changes() | alias


class NewTeamFields(TeamFields, frozen=True, kw_only=True):
    """What can be said of a new team; `inherit` is whether it may own what is there already of its id."""

    inherit: bool = False


class UserFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a user."""

    user_id: Text | None = None
    user_alias: Text | UnsetType | None = UNSET
    user_email: Text | UnsetType | None = UNSET
    user_role: Text | UnsetType | None = UNSET

    def user_changes(self) -> dict[str, Any]:
        """The fields of a `User` that are given."""
        renamed = {"alias": self.user_alias, "email": self.user_email, "role": self.user_role}
        return self.account_changes() | {name: value for name, value in renamed.items() if value is not UNSET}


class NewUserFields(UserFields, frozen=True, kw_only=True):
    """What can be said of a new user, who gets a key at once unless told otherwise.

    `inherit` is whether it may own what is there already of its id.
    """

    inherit: bool = False
    auto_create_key: bool = True
    key_alias: Text | None = None
    team_id: Text | None = None
    duration: Text | None = None


class DeletedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys are to go: by secret or token, or by alias."""

    keys: Texts = []
    key_aliases: Texts = []


class DeletedTeams(msgspec.Struct, frozen=True, kw_only=True):
    """Which teams are to go."""

    team_ids: Texts


class DeletedUsers(msgspec.Struct, frozen=True, kw_only=True):
    """Which users are to go."""

    user_ids: Texts


F = TypeVar("F", bound=msgspec.Struct)


def parse(body: bytes, wanted: type[F]) -> tuple[F, list[str]]:
    """The body of a request, and what of it has no effect here. An empty body says nothing."""
    body = body.strip() or b"{}"
    try:
        parsed = msgspec.json.decode(body, type=wanted)
        names = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body of the request is not valid JSON.") from error
    unknown = sorted(set(names) - set(wanted.__struct_fields__))
    warnings = [f"{name[:100]} has no effect here" for name in unknown[:100]]
    return parsed, warnings + (parsed.warnings() if isinstance(parsed, AccountFields) else [])


def _is_amount(budget: Decimal) -> bool:
    exponent = budget.as_tuple().exponent  # no number of what is not finite
    return isinstance(exponent, int) and exponent >= -MOST_DECIMALS and 0 <= budget <= MOST_DOLLARS


def _wrong(told: str) -> InvalidRequest:
    """What msgspec found, in our words."""
    found = _PLACE.match(told)
    what = (found["what"] if found else told).replace("`", "'")
    param = found["path"].partition("[")[0] if found else None
    if missing := re.fullmatch(r"Object missing required field '(\w+)'", what):
        return checks.missing(missing[1])
    name = f"'{param}'" if param else "the body of the request"
    return InvalidRequest(f"Invalid {name}: {what}.", param=param or None, code="invalid_value")
