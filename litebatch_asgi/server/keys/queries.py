"""What is asked in the queries of calls about keys, users and teams. An empty value says nothing."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from litebatch_asgi.models.texts import PLAIN_PATTERN

MOST_PAGES = 1_000_000
MOST_AT_ONCE = 100
MOST_TEXT = 256

Name: TypeAlias = Annotated[str, Meta(max_length=MOST_TEXT, extra_json_schema={"pattern": PLAIN_PATTERN})]
RequiredName: TypeAlias = Annotated[Name, Meta(min_length=1)]
PageNumber: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_PAGES, description="Counted from 1.")]
PageSize: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)]


class KeyQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which key, by its secret or its token; the caller's own if none is named."""

    key: Name | None = None


class KeyListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys."""

    page: PageNumber = 1
    size: PageSize = 10
    user_id: Name | None = None
    team_id: Name | None = None
    key_alias: Name | None = None
    key_hash: Name | None = None
    return_full_object: bool = False


class TeamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which team."""

    team_id: RequiredName


class UserQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which user."""

    user_id: RequiredName


class UserListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which users."""

    page: PageNumber = 1
    page_size: PageSize = 25
    user_ids: Name | None = None
