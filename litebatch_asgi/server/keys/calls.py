"""What the calls about keys, users and teams share."""

from __future__ import annotations

import logging
from typing import TypeVar

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.endpoint import Handler, small_body
from litebatch_asgi.server.keys.bodies import AccountFields, Fields
from litebatch_asgi.server.keys.parsing import parse_body
from litebatch_asgi.server.keys.service import KeyService

logger: logging.Logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Fields)


def for_admins(handler: Handler) -> Handler:
    """The handler, for the master key and the keys of admins alone."""

    async def guarded(request: Request, principal: Principal) -> ASGIApp:
        if not principal.is_admin:
            raise PermissionDenied("Only the master key, or the key of an admin, may do this.")
        return await handler(request, principal)

    return guarded


async def asked(request: Request, wanted: type[F], keys: KeyService | None = None) -> tuple[F, list[str]]:
    """The body of a request, and what of it has no effect here, which is logged as well.

    `keys` know which models there are, where the body may name some.
    """
    body, warnings = parse_body(await small_body(request), wanted)
    if keys is not None and isinstance(body, AccountFields):
        warnings += keys.warnings(body)
    if warnings:
        logger.warning("%s %s: %s", request.method, request.scope["path"][:100], "; ".join(warnings[:20]))
    return body, warnings
