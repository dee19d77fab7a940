"""What the calls about keys, users and teams share."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.endpoint import Handler, small_body
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.bodies import parse
from litebatch_asgi.wire import checks

logger: logging.Logger = logging.getLogger(__name__)

F = TypeVar("F", bound=msgspec.Struct)

MOST_PAGES = 1_000_000


def for_admins(handler: Handler) -> Handler:
    """The handler, for the master key and the keys of admins alone."""

    async def guarded(request: Request, principal: Principal) -> ASGIApp:
        if not principal.is_admin:
            raise PermissionDenied("Only the master key, or the key of an admin, may do this.")
        return await handler(request, principal)

    return guarded


async def asked(request: Request, wanted: type[F]) -> tuple[F, list[str]]:
    """The body of a request, and what of it has no effect here, which is logged as well."""
    body, warnings = parse(await small_body(request), wanted)
    if warnings:
        logger.warning("%s %s: %s", request.method, request.scope["path"][:100], "; ".join(warnings[:20]))
    return body, warnings


def answered(content: Mapping[str, Any], warnings: Sequence[str] = ()) -> ASGIApp:
    """The answer, with `warnings` where there are any."""
    return JSONAnswer(dict(content) | ({"warnings": warnings} if warnings else {}))


def page_asked(request: Request, size_name: str, default: int) -> tuple[int, int]:
    """The number of the page that a query asks for, counted from 1, and how many are on each."""
    query = request.query_params
    page = checks.in_range(checks.integer(query.get("page", "1"), "page"), "page", 1, MOST_PAGES)
    size = checks.integer(query.get(size_name, str(default)), size_name)
    return page, checks.in_range(size, size_name, 1, 100)


def named(request: Request, param: str) -> str | None:
    """A parameter of the query that names something; None if it is absent or empty."""
    given = request.query_params.get(param)
    return checks.plain(checks.no_longer_than(256, given, param), param) if given else None


def required(value: str | None, param: str) -> str:
    """A name that must be given."""
    if value is None:
        raise checks.missing(param)
    return value
