"""Signing in with a key, and out."""

from __future__ import annotations

import time

import htpy as h
from htpy import Element, Node
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from litebatch_asgi.errors import MethodNotAllowed, RequestError, Unauthenticated
from litebatch_asgi.page.attempts import Attempts
from litebatch_asgi.page.context import Context, root_of
from litebatch_asgi.page.layout import bare
from litebatch_asgi.page.origin import HEADERS, check_origin, local_path
from litebatch_asgi.page.routing import cookie_path, page_answer, refused
from litebatch_asgi.page.visit import TOKEN_FIELD, parse_form
from litebatch_asgi.routes.endpoint import small_body

_WRONG = "This key is not known, has expired, or is blocked."


class SigningIn:
    """`/sign-in` and `/sign-out`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attempts = Attempts(time.monotonic)

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or begin a session for whoever has sent a key that counts."""
        root = root_of(request.scope)
        try:
            if request.method != "POST":
                return page_answer(self._page(root, request.query_params.get("next")))
            check_origin(request.scope)
            form = parse_form(await small_body(request))
            return await self._begin(request, form.get("key", ""), form.get("next"))
        except Unauthenticated as error:
            return refused(self._page(root, request.query_params.get("next"), error.message), error)
        except RequestError as error:
            return refused(self._page(root, None, error.message), error)

    async def _begin(self, request: Request, key: str, where: str | None) -> Response:
        client = request.client.host if request.client is not None else ""
        self._attempts.check(client)
        try:
            principal = await self._context.holder_of(key, request.scope)
        except Unauthenticated:
            principal = None
        root = root_of(request.scope)
        if principal is None:
            self._attempts.failed(client)
            refusal = Unauthenticated(_WRONG)
            return refused(self._page(root, where, refusal.message), refusal)
        answer = RedirectResponse(root + local_path(where), 303, HEADERS)
        self._context.sessions.begin(answer, request.scope, cookie_path(root), key)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, and show the form again."""
        root = root_of(request.scope)
        try:
            if request.method != "POST":
                raise MethodNotAllowed(f"{request.method} is not allowed here.")
            check_origin(request.scope)
            visit = await self._context.visit(request)
            if visit is not None:
                visit.check_token(parse_form(await small_body(request)).get(TOKEN_FIELD, ""))
        except RequestError as error:
            return refused(self._page(root, None, error.message), error)
        answer = RedirectResponse(f"{root}/sign-in", 303, HEADERS)
        self._context.sessions.end(answer, cookie_path(root))
        return answer

    def _page(self, root: str, where: str | None, wrong: str | None = None) -> Element:
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
        said = "Files, batches and what they cost: yours with your key, everybody's with an admin's."
        return bare("Sign in", root, h.main("#content.narrow")[h.h1["LiteBatch"], h.p(".dim")[said], form])
