"""Signing in with a key, and out."""

from __future__ import annotations

import time

import htpy as h
from htpy import Element, Node
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from litebatch_asgi.errors import RequestError, Unauthenticated
from litebatch_asgi.models import Principal
from litebatch_asgi.page.addresses import local_path, root_of
from litebatch_asgi.page.attempts import Attempts
from litebatch_asgi.page.context import Context
from litebatch_asgi.page.layout import bare
from litebatch_asgi.page.refusing import page_answer, refused
from litebatch_asgi.page.sessions import ENDED_SECONDS
from litebatch_asgi.page.visit import TOKEN_FIELD, parse_form
from litebatch_asgi.routes.endpoint import small_body

_WRONG = "This key is not known."
_ENDED = "Your session has ended, and what you have sent was not done. Sign in, and send it again."


class SigningIn:
    """`/sign-in` and `/sign-out`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attempts = Attempts(time.monotonic)

    async def show(self, request: Request) -> Response:
        """Show the form; `ended` says that somebody has sent another one without a session."""
        query = request.query_params
        return page_answer(self._page(root_of(request.scope), query.get("next"), has_ended="ended" in query))

    async def begin(self, request: Request) -> Response:
        """Begin a session for whoever has sent a key that counts. Raises `InvalidRequest` for no form."""
        form = parse_form(await small_body(request))
        key, where = form.get("key", ""), form.get("next")
        root = root_of(request.scope)
        try:
            principal = await self._holder_of(key, request)
        except RequestError as error:
            return refused(self._page(root, where, error.message), error)
        answer = RedirectResponse(root + local_path(where), 303)
        self._context.sessions.begin(answer, request.scope, key, principal.owner)
        return answer

    async def _holder_of(self, key: str, request: Request) -> Principal:
        """Whom a key stands for. Raises `RateLimited`, `Unauthenticated` and the authenticator's errors."""
        address = request.client.host if request.client is not None else ""
        who = self._attempts.begin(address, self._context.sessions.owner_of_browser(request))
        try:
            principal = await self._context.holder_of(key, request.scope)
        except RequestError as error:
            if error.status >= 500:
                self._attempts.succeeded(who)
            raise
        if principal is None:
            raise Unauthenticated(_WRONG)
        self._attempts.succeeded(who)
        return principal

    async def end(self, request: Request) -> Response:
        """End the session in all processes, and show the form again.

        Raises `PermissionDenied` without the session's token.
        """
        visit = await self._context.visit(request)
        if visit is not None:
            visit.check_token(parse_form(await small_body(request)).get(TOKEN_FIELD, ""))
        session = self._context.sessions.session_of(request)
        if session is not None:
            await self._context.services.sessions.end(session.nonce, seconds=ENDED_SECONDS)
        answer = RedirectResponse(f"{root_of(request.scope)}/sign-in", 303)
        self._context.sessions.leave(answer, request.scope)
        return answer

    def _page(
        self, root: str, where: str | None, wrong: str | None = None, *, has_ended: bool = False
    ) -> Element:
        hint = "The gateway has no master key: any word will do." if self._context.any_key else None
        action = f"{root}/sign-in"
        form: Node = h.form(method="post", action=action, class_="sign-in")[
            h.input(type="hidden", name="next", value=local_path(where)),
            h.input(type="text", name="username", value="litebatch", autocomplete="username", hidden=True),
            h.label(for_="key")["API key"],
            h.input(
                "#key",
                name="key",
                type="password",
                autocomplete="current-password",
                required=True,
                autofocus=True,
                spellcheck="false",
                aria_invalid="true" if wrong else None,
                aria_describedby="wrong" if wrong else "hint" if hint else None,
            ),
            h.p("#wrong.alert", role="alert")[wrong] if wrong else None,
            h.p("#hint.dim")[hint] if hint else None,
            h.button(type="submit")["Sign in"],
        ]
        ended = h.p(role="alert")[_ENDED] if has_ended else None
        said = "Files, batches and what they cost: yours with your key, everybody's with an admin's."
        return bare(
            "Sign in", root, h.main("#content.narrow")[h.h1["LiteBatch"], h.p(".dim")[said], ended, form]
        )
