"""What requests about keys, users and teams say.

Fields that are left out stay as they are when something is changed; null takes a value away. Their JSON
schemas, which the API's description shows, allow exactly what is taken.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.keys import LIMITS
from litebatch_asgi.models.periods import BUDGET_DURATION, BUDGET_DURATIONS, is_budget_duration
from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.server.keys.durations import DURATION, check_duration
from litebatch_asgi.server.secret import SECRET, SHORTEST_KEY, is_secret
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.amounts import Dollars, amount_of

Text: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=256, extra_json_schema={"pattern": PLAIN_PATTERN})
]
Texts: TypeAlias = Annotated[list[Text], Meta(max_length=1000)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]
Duration: TypeAlias = Annotated[str, Meta(extra_json_schema={"pattern": f"^(?:{DURATION.pattern})$"})]
BudgetDuration: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^(?:{BUDGET_DURATION.pattern})$"})
]
Secret: TypeAlias = Annotated[str, Meta(extra_json_schema={"pattern": f"^{SECRET.pattern}$"})]

ALL_MODELS = frozenset({"all-proxy-models", "all-team-models"})
NO_MODELS = "no-default-models"
SPECIAL_MODELS = ALL_MODELS | {NO_MODELS}
"""Names with a meaning of their own among a key's models. Source: LiteLLM's `SpecialModelNames`."""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all bodies, whose texts have no control characters."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            texts = cast("list[object]", value) if isinstance(value, list) else [value]
            for text in texts:
                if isinstance(text, str):
                    checks.plain(text, name)


class AccountFields(Fields, frozen=True, kw_only=True):
    """What can be said of a key, a user and a team alike."""

    models: Texts | UnsetType | None = UNSET
    max_batch_requests: Number | UnsetType | None = UNSET
    max_open_batches: Number | UnsetType | None = UNSET
    max_enqueued_requests: Number | UnsetType | None = UNSET
    max_enqueued_tokens: Number | UnsetType | None = UNSET
    max_file_bytes: Number | UnsetType | None = UNSET
    max_files: Number | UnsetType | None = UNSET
    max_budget: Dollars | UnsetType | None = UNSET
    soft_budget: Dollars | UnsetType | None = UNSET
    budget_duration: BudgetDuration | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        self._budgets()
        if isinstance(self.budget_duration, str) and not is_budget_duration(self.budget_duration):
            raise InvalidRequest(
                f"Invalid 'budget_duration': '{self.budget_duration[:100]}' is none. Write "
                f"{BUDGET_DURATIONS}; null for a budget that never begins anew.",
                param="budget_duration",
                code="invalid_value",
            )

    def account_changes(self) -> dict[str, Any]:
        """The fields of an `Account` that are given, with their values."""
        names = ("models", *LIMITS, "budget_duration", "blocked", "metadata")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not UNSET}
        if "models" in given:
            given["models"] = tuple(given["models"] or ())
        if "metadata" in given:
            given["metadata"] = given["metadata"] or {}
        if "blocked" in given:
            given["blocked"] = bool(given["blocked"])
        return given | self._budgets()

    def _budgets(self) -> dict[str, Decimal | None]:
        budgets = {"max_budget": self.max_budget, "soft_budget": self.soft_budget}
        return {
            name: None if given is None else amount_of(given, name)
            for name, given in budgets.items()
            if not isinstance(given, UnsetType)
        }


class KeyFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a key.

    A user that it names is made if need be; `inherit` is whether a new one may own what is there already.
    """

    inherit: bool = False
    key_alias: Text | UnsetType | None = UNSET
    user_id: Text | UnsetType | None = UNSET
    team_id: Text | UnsetType | None = UNSET
    duration: Duration | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.duration, str):
            check_duration(self.duration)

    def key_changes(self) -> dict[str, Any]:
        """The fields of a `VirtualKey` that are given, except for when it expires."""
        renamed = {"alias": self.key_alias, "user_id": self.user_id, "team_id": self.team_id}
        return self.account_changes() | {name: value for name, value in renamed.items() if value is not UNSET}


class NewKeyFields(KeyFields, frozen=True, kw_only=True):
    """What can be said of a new key, whose secret may be chosen."""

    key: Secret | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.key is not None and not is_secret(self.key):
            raise InvalidRequest(
                f"Invalid 'key': a key of your own begins with sk- and has at least {SHORTEST_KEY} "
                "letters, digits, - or _.",
                param="key",
                code="invalid_value",
            )


class ChangedKeyFields(KeyFields, frozen=True, kw_only=True):
    """What can be said of a key that is there, which is named by its secret or its token."""

    key: Text


class NamedKey(Fields, frozen=True, kw_only=True):
    """Which key, by its secret or its token."""

    key: Text


class TeamFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a team."""

    team_alias: Text | UnsetType | None = UNSET

    def team_changes(self) -> dict[str, Any]:
        """The fields of a `Team` that are given."""
        alias = {} if self.team_alias is UNSET else {"alias": self.team_alias}
        return self.account_changes() | alias


class NewTeamFields(TeamFields, frozen=True, kw_only=True):
    """What can be said of a new team; `inherit` is whether it may own what is there already of its id."""

    inherit: bool = False
    team_id: Text | None = None


class ChangedTeamFields(TeamFields, frozen=True, kw_only=True):
    """What can be said of a team that is there."""

    team_id: Text


class NamedTeam(Fields, frozen=True, kw_only=True):
    """Which team."""

    team_id: Text


class UserFields(AccountFields, frozen=True, kw_only=True):
    """What can be said of a user."""

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
    user_id: Text | None = None
    auto_create_key: bool = True
    key_alias: Text | None = None
    team_id: Text | None = None
    duration: Duration | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.duration is not None:
            check_duration(self.duration)


class ChangedUserFields(UserFields, frozen=True, kw_only=True):
    """What can be said of a user that is there."""

    user_id: Text


class NamedUser(Fields, frozen=True, kw_only=True):
    """Which user."""

    user_id: Text


class DeletedKeys(Fields, frozen=True, kw_only=True):
    """Which keys are to go: by secret or token, or by alias."""

    keys: Texts = []
    key_aliases: Texts = []

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.keys and not self.key_aliases:
            raise checks.missing("keys")


class DeletedTeams(Fields, frozen=True, kw_only=True):
    """Which teams are to go."""

    team_ids: Texts


class DeletedUsers(Fields, frozen=True, kw_only=True):
    """Which users are to go."""

    user_ids: Texts
