"""What all routes of one page share: its services, who may come in, its sections and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from litebatch_asgi.auth import Authenticator, identify
from litebatch_asgi.errors import LifespanNotEntered, Unauthenticated
from litebatch_asgi.models import Principal
from litebatch_asgi.page.addresses import root_of
from litebatch_asgi.page.live import Streams
from litebatch_asgi.page.section import Section
from litebatch_asgi.page.sessions import Sessions, is_plausible
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.services import Services


class Context:
    """See above."""

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        sections: Sequence[Section],
        *,
        secret: str | None,
        any_key: bool,
    ) -> None:
        self.services: Services = services
        self.sessions: Sessions = Sessions(secret)
        self.streams: Streams = Streams()
        self.any_key: bool = any_key
        """whether every key is taken: then the page says so where somebody signs in"""
        self._authenticator = authenticator
        self._sections = sections

    def sections(self, principal: Principal) -> Iterable[Section]:
        """What there is for somebody."""
        return (each for each in self._sections if principal.is_admin or not each.for_admins)

    async def holder_of(self, key: str, scope: Scope) -> Principal | None:
        """Whom a key stands for, as the authenticator says. Raises `RequestError`s as `identify` does."""
        if not is_plausible(key):
            return None
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"authorization", b"cookie")]
        with_key = {**scope, "headers": [*headers, (b"authorization", f"Bearer {key}".encode())]}
        return await identify(self._authenticator, HTTPConnection(with_key))

    async def visit(self, request: Request) -> Visit | None:
        """The request with its caller; None: nobody is known. Raises `RequestError`s.

        Whom the session knows, or else whom the host knows: by a cookie of its own, or a header.
        """
        if not self.services.is_entered:
            raise LifespanNotEntered
        session = self.sessions.session_of(request)
        if session is not None and await self.services.sessions.has_ended(session.nonce):
            session = None
        try:
            if session is not None:
                principal = await self.holder_of(session.key, request.scope)
            else:
                principal = await identify(self._authenticator, HTTPConnection(request.scope))
        except Unauthenticated:
            principal = None
        if principal is None:
            return None
        return Visit(
            request=request,
            principal=principal,
            services=self.services,
            token=self.sessions.token_of(session, principal.owner),
            root=root_of(request.scope),
            has_session=session is not None,
        )
