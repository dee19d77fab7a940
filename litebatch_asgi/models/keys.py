"""Virtual keys, and the users and teams that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from litebatch_asgi.models.limits import Limits

PROXY_ADMIN = "proxy_admin"
"""The role of users whose keys are an admin's. Source: LiteLLM's `user_role`."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What keys, users and teams have in common: what may be done in their name."""

    id: str
    alias: str | None = None
    models: tuple[str, ...] = ()
    """virtual models and access groups, as they were given; empty: all"""
    max_batch_requests: int | None = None
    max_open_batches: int | None = None
    max_enqueued_requests: int | None = None
    max_enqueued_tokens: int | None = None
    max_file_bytes: int | None = None
    max_files: int | None = None
    max_budget: Decimal | None = None
    """in US dollars"""
    soft_budget: Decimal | None = None
    """in US dollars: what is told when it is reached, and not enforced"""
    budget_duration: str | None = None
    """such as `30d`: how long the budgets last before they begin anew; None: for ever"""
    blocked: bool = False
    metadata: dict[str, Any] = {}
    created_at: datetime
    updated_at: datetime
    created_by: str | None = None
    """the owner whose key made it"""

    def limits(self, scope: str, *, name: str | None = None) -> Limits:
        """What it may hold at once, shared by all that goes under `scope`, as messages of `name` tell.

        Where there is no limit yet as well: what is open when one is set counts.
        """
        return Limits(scope=scope, name=name, **{each: getattr(self, each) for each in (*LIMITS, *BUDGETS)})


BUDGETS = ("max_budget", "soft_budget", "budget_duration")
"""fields about money"""
LIMITS = tuple(
    name for name in Limits.__struct_fields__ if name in Account.__struct_fields__ and name not in BUDGETS
)
"""fields that limit a number of something"""


class Team(Account, frozen=True, kw_only=True):
    """Whoever shares files, batches and limits."""


class User(Account, frozen=True, kw_only=True):
    """A person or a program with keys of its own."""

    email: str | None = None
    role: str | None = None
    """`proxy_admin`, or another of LiteLLM's `user_role`s, which mean nothing here"""


class VirtualKey(Account, frozen=True, kw_only=True):
    """A key of the standalone gateway, without the secret itself."""

    token: str
    """SHA-256 of the secret, in hexadecimal"""
    hint: str
    """enough of the secret to tell keys apart"""
    user_id: str | None = None
    team_id: str | None = None
    expires_at: datetime | None = None

    @property
    def owner(self) -> str:
        """Whom what is made with the key belongs to. It does not depend on the secret."""
        if self.team_id is not None:
            return owner_of(Team, self.team_id)
        return owner_of(VirtualKey, self.id) if self.user_id is None else owner_of(User, self.user_id)


OWNING: Mapping[str, type[Account]] = MappingProxyType({"key": VirtualKey, "user": User, "team": Team})
"""the kinds of accounts, by what the owners that they are begin with"""
_WORDS = {kind: word for word, kind in OWNING.items()}


def owner_of(kind: type[Account], account_id: str) -> str:
    """The owner that a key without user and team, a user or a team is."""
    return f"{_WORDS[kind]}:{account_id}"


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its user and its team: what all of them allow is allowed."""

    key: VirtualKey
    user: User | None = None
    team: Team | None = None
