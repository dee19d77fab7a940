"""Queries of lists, taken apart and checked; see `requests`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from litebatch_asgi.wire import checks
from litebatch_asgi.wire.names import MAX_NAME, MAX_NAMES, PLAIN, Pairs, check_model_names, model_names
from litebatch_asgi.wire.providers import MAX_PROVIDER, Naming, check_provider_name, named_provider
from litebatch_asgi.wire.requests import UPLOAD_PURPOSES

FILE_PURPOSES = (*UPLOAD_PURPOSES, "assistants_output", "batch_output", "fine-tune-results")
MAX_FILES_PAGE = 10_000
MAX_BATCHES_PAGE = 100
MAX_WEBHOOKS_PAGE = 100
MAX_ID = 256
"""characters of an id; what is longer is none of ours"""
MAX_OWNER = 512
"""characters"""
_Cursor = Annotated[
    str,
    Meta(
        max_length=MAX_ID,
        description="The id of the last one of the page before.",
        extra_json_schema=PLAIN,
    ),
]
_ModelNames = Annotated[
    tuple[Annotated[str, Meta(max_length=MAX_NAME, extra_json_schema=PLAIN)], ...],
    Meta(
        max_length=MAX_NAMES,
        description=(
            f"Virtual models, several times or separated by commas, at most {MAX_NAMES} in all; what has any "
            "of them is listed."
        ),
    ),
]
_Provider = Annotated[
    str,
    Meta(
        max_length=MAX_PROVIDER,
        description=(
            "A provider such as `azure`: what is for a model of it counts alone. One that the gateway has no "
            "models of is refused (400). The header `custom-llm-provider` and a path such as "
            "`/azure/v1/batches` say the same."
        ),
        extra_json_schema=PLAIN,
    ),
]
_Owner = Annotated[
    str,
    Meta(
        max_length=MAX_OWNER,
        description="Whose; for admins, who otherwise see everybody's. Others may name themselves alone.",
        extra_json_schema=PLAIN,
    ),
]


class ProviderQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of what is told by an id. An object of another provider is refused."""

    custom_llm_provider: _Provider | None = None


class FileListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /files`. Raises `InvalidRequest` for values that it may not have."""

    limit: Annotated[int, Meta(ge=1, le=MAX_FILES_PAGE)] = MAX_FILES_PAGE
    after: _Cursor | None = None
    order: Literal["asc", "desc"] = "desc"
    purpose: Annotated[str, Meta(extra_json_schema={"enum": list(FILE_PURPOSES)})] | None = None
    target_model_names: _ModelNames = ()
    owner: _Owner | None = None
    custom_llm_provider: _Provider | None = None

    def __post_init__(self) -> None:
        checks.in_range(self.limit, "limit", 1, MAX_FILES_PAGE)
        _check_after(self.after)
        checks.one_of(("asc", "desc"), checks.text(self.order, "order"), "order")
        if self.purpose is not None:
            checks.one_of(FILE_PURPOSES, checks.text(self.purpose, "purpose"), "purpose")
        check_model_names(self.target_model_names)
        _check_owner(self.owner)
        check_provider_name(self.custom_llm_provider)


class BatchListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /batches`. Raises `InvalidRequest` for values that it may not have."""

    limit: Annotated[int, Meta(ge=1, le=MAX_BATCHES_PAGE)] = 20
    after: _Cursor | None = None
    target_model_names: _ModelNames = ()
    owner: _Owner | None = None
    custom_llm_provider: _Provider | None = None

    def __post_init__(self) -> None:
        checks.in_range(self.limit, "limit", 1, MAX_BATCHES_PAGE)
        _check_after(self.after)
        check_model_names(self.target_model_names)
        _check_owner(self.owner)
        check_provider_name(self.custom_llm_provider)


class WebhookListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /webhook_endpoints`. Raises `InvalidRequest` for values that it may not have."""

    limit: Annotated[int, Meta(ge=1, le=MAX_WEBHOOKS_PAGE)] = 20
    after: _Cursor | None = None
    owner: _Owner | None = None

    def __post_init__(self) -> None:
        checks.in_range(self.limit, "limit", 1, MAX_WEBHOOKS_PAGE)
        _check_after(self.after)
        _check_owner(self.owner)


class EventListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /batches/{id}/events`. Raises `InvalidRequest` for values that it may not have."""

    limit: Annotated[int, Meta(ge=1, le=MAX_BATCHES_PAGE)] = 20
    after: _Cursor | None = None
    order: Literal["asc", "desc"] = "desc"

    def __post_init__(self) -> None:
        checks.in_range(self.limit, "limit", 1, MAX_BATCHES_PAGE)
        _check_after(self.after)
        checks.one_of(("asc", "desc"), checks.text(self.order, "order"), "order")


def parse_file_list_query(query: Pairs, named: Sequence[Naming] = ()) -> FileListQuery:
    """The query of `GET /files`. A parameter without a value, as openai-node sends null, is not given.

    `named` is where the request names a provider.
    """
    last = dict(query)
    return FileListQuery(
        limit=_limit(last, MAX_FILES_PAGE),
        after=last.get("after") or None,
        order=cast("Literal['asc', 'desc']", last.get("order") or "desc"),
        purpose=last.get("purpose") or None,
        target_model_names=model_names(query),
        owner=last.get("owner") or None,
        custom_llm_provider=named_provider(named),
    )


def parse_batch_list_query(query: Pairs, named: Sequence[Naming] = ()) -> BatchListQuery:
    """The query of `GET /batches`; see `parse_file_list_query`."""
    last = dict(query)
    return BatchListQuery(
        limit=_limit(last, 20),
        after=last.get("after") or None,
        target_model_names=model_names(query),
        owner=last.get("owner") or None,
        custom_llm_provider=named_provider(named),
    )


def parse_webhook_list_query(query: Pairs) -> WebhookListQuery:
    """The query of `GET /webhook_endpoints`; see `parse_file_list_query`."""
    last = dict(query)
    return WebhookListQuery(
        limit=_limit(last, 20), after=last.get("after") or None, owner=last.get("owner") or None
    )


def parse_event_list_query(query: Pairs) -> EventListQuery:
    """The query of `GET /batches/{id}/events`; see `parse_file_list_query`."""
    last = dict(query)
    return EventListQuery(
        limit=_limit(last, 20),
        after=last.get("after") or None,
        order=cast("Literal['asc', 'desc']", last.get("order") or "desc"),
    )


def _limit(query: Mapping[str, str], default: int) -> int:
    return checks.integer(query["limit"], "limit") if query.get("limit") else default


def _check_after(given: object) -> None:
    if given is not None:
        checks.plain(checks.no_longer_than(MAX_ID, checks.text(given, "after"), "after"), "after")


def _check_owner(given: object) -> None:
    if given is not None:
        checks.plain(checks.no_longer_than(MAX_OWNER, checks.text(given, "owner"), "owner"), "owner")
