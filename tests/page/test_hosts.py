"""The page within other applications: under any path, and with their own ways of knowing users."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import htpy as h
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import LiteBatch, ScopeUserAuthenticator
from litebatch_asgi.errors import LifespanNotEntered
from litebatch_asgi.page import Moved, Page, PageRoute, Section, Shown, Visit
from litebatch_asgi.page.parts import post
from litebatch_asgi.page.sessions import COOKIE
from tests.access.standalone import MASTER, Standalone
from tests.harness import by_key, deployments
from tests.http.sockets import served
from tests.page.test_answers import assert_guarded
from tests.page.visiting import Visitor, visiting


class Behind:
    """A proxy in front of an application, which says where it stands; `strips`: as old servers do."""

    def __init__(self, app: ASGIApp, prefix: str, *, strips: bool) -> None:
        self._app = app
        self._prefix = prefix
        self._strips = strips

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(self._prefix)
        told = path if self._strips else self._prefix + path
        await self._app({**scope, "root_path": self._prefix, "path": told}, receive, send)


def in_starlette(page: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/litebatch", page)])


def in_fastapi(page: ASGIApp) -> ASGIApp:
    app = FastAPI()
    app.mount("/litebatch", page)
    return app


def nested(page: ASGIApp) -> ASGIApp:
    inner = Starlette(routes=[Mount("/tools", routes=[Mount("/lite batch;x", page)])])
    return Starlette(routes=[Mount("/inner", inner)])


PLACES: dict[str, tuple[Callable[[ASGIApp], ASGIApp], str]] = {
    "at the root": (lambda page: page, ""),
    "Starlette": (in_starlette, "/litebatch"),
    "FastAPI": (in_fastapi, "/litebatch"),
    "nested": (nested, "/inner/tools/lite%20batch%3Bx"),
    "behind a proxy": (
        lambda page: Behind(in_starlette(page), "/proxy", strips=False),
        "/proxy/litebatch",
    ),
    "behind a proxy that strips": (
        lambda page: Behind(in_fastapi(page), "/proxy", strips=True),
        "/proxy/litebatch",
    ),
    "alone behind a proxy that strips": (lambda page: Behind(page, "/proxy", strips=True), "/proxy"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_it_stands_under_any_path(gateway: Standalone, place: str) -> None:
    """Signing in, following a link, a notice, signing out, and what there is not."""
    around, root = PLACES[place]
    page_app = Page(gateway.litebatch, by_key, sections=(_board(),))
    async with served(around(page_app)) as address, visiting(address, root=root) as visitor:
        page = await visitor.get("/")
        assert page.path == f"{root}/sign-in?next=%2Fbatches"
        page = await visitor.submit(page.form("Sign in"), key="alice")
        assert page.path == f"{root}/batches"
        page = await visitor.follow(page, "Board")
        assert (page.heading, page.path) == ("Board", f"{root}/board")
        (current,) = (each for each in page.tree.every("a") if each.get("aria-current"))
        assert current.text == "Board"
        for each in [*page.links.values(), *(form.action for form in page.forms)]:
            assert each.startswith((f"{root}/", "#", f"{address}{root}/"))
        style = next(each.get("href") for each in page.tree.every("link") if each.get("rel") == "stylesheet")
        assert (await visitor.http.get(address + style)).status_code == 200
        nothing = await visitor.get("/nowhere")
        assert (nothing.status, nothing.heading) == (404, "Not found")
        assert_guarded(nothing.answer)
        page = await visitor.submit(page.form("Wipe"))
        assert (page.path, page.notice) == (f"{root}/board", "Wiped.")
        page = await visitor.follow(page, "Board")
        assert page.notice is None
        page = await visitor.submit(page.form("Sign out"))
        assert page.path == f"{root}/sign-in"
        assert (await visitor.get("/board")).path == f"{root}/sign-in?next=%2Fboard"


async def test_a_gateway_has_it_below_v1_as_well(gateway: Standalone) -> None:
    """Whoever has only its base URL finds it there, and signing in counts where it was done."""
    async with visiting(gateway, MASTER, root="/v1/ui") as visitor:
        page = await visitor.get("")
        assert (page.status, page.path) == (200, "/v1/ui/batches")
        page = await visitor.follow(page, "Files")
        assert (page.heading, page.path) == ("Files", "/v1/ui/files")
        assert (await visitor.open("/ui/batches")).path == "/ui/sign-in?next=%2Fbatches"
        assert (await visitor.open("/v1/uint")).answer.json()["error"]["type"] == "invalid_request_error"


def _board() -> Section:
    async def show(visit: Visit) -> Shown:
        return Shown(title="Board", content=[h.h1["Board"], post(visit, "/board", "Wipe")])

    async def wipe(_: Visit) -> Moved:
        return Moved(path="/board", notice="Wiped.")

    return Section(title="Board", path="/board", routes=(PageRoute(path="/board", get=show, post=wipe),))


class User(BaseUser):
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return self._name


class ByCookie(AuthenticationBackend):
    """The host's own sessions."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.cookies.get("host_user")
        return None if name is None else (AuthCredentials(), User(name))


@asynccontextmanager
async def hosted(gateway: Standalone) -> AsyncGenerator[Visitor]:
    """A browser at a host that knows its users by a cookie."""
    page = Page(gateway.litebatch, ScopeUserAuthenticator(), sections=(_board(),))
    middleware = [Middleware(AuthenticationMiddleware, backend=ByCookie())]
    app = Starlette(routes=[Mount("/litebatch", page)], middleware=middleware)
    async with served(app) as address, visiting(address, root="/litebatch") as visitor:
        yield visitor


class TestUsersOfTheHost:
    async def test_whom_it_knows_need_not_sign_in(self, gateway: Standalone) -> None:
        async with hosted(gateway) as visitor:
            visitor.http.cookies.set("host_user", "alice")
            page = await visitor.get("/batches")
            assert page.heading == "Batches"
            assert "user:alice" in page.text
            assert "Sign out" not in page.text  # which is the host's to offer

    async def test_whom_it_does_not_know_nobody_knows(self, gateway: Standalone) -> None:
        async with hosted(gateway) as visitor:
            page = await visitor.get("/batches")
            assert page.path == "/litebatch/sign-in?next=%2Fbatches"
            page = await visitor.submit(page.form("Sign in"), key="alice")
            assert page.status == 401

    async def test_their_forms_need_their_token(self, gateway: Standalone) -> None:
        async with hosted(gateway) as visitor:
            visitor.http.cookies.set("host_user", "alice")
            token = await visitor.token("/board")
            visitor.http.cookies.set("host_user", "bob")
            page = await visitor.get("/board")
            for foreign in ("", token):
                assert (await visitor.post("/board", token=foreign)).status_code == 403
            assert (await visitor.submit(page.form("Wipe"))).notice == "Wiped."
            assert (await visitor.get("/board")).notice is None

    async def test_nobody_gets_anothers_token_by_a_cookie_of_their_own_making(
        self, gateway: Standalone
    ) -> None:
        async with hosted(gateway) as visitor:
            visitor.http.cookies.set("host_user", "bob")
            of_bob = await visitor.token("/board")
            visitor.http.cookies.set("host_user", "alice")
            for cookie in ("host:user:bob", "user:bob", of_bob):
                visitor.http.cookies.set(COOKIE, cookie)
                assert await visitor.token("/board") != of_bob

    async def test_a_session_never_outlives_the_hosts(self, gateway: Standalone) -> None:
        """A key that somebody has signed in with while the host knew them counts for nothing afterwards."""
        async with hosted(gateway) as visitor:
            visitor.http.cookies.set("host_user", "alice")
            assert (await visitor.sign_in("anything")).status == 200
            visitor.http.cookies.delete("host_user")
            assert (await visitor.get("/batches")).path.startswith("/litebatch/sign-in")


async def test_before_the_lifespan_is_entered_it_says_so() -> None:
    there = deployments("http://127.0.0.1:9")
    litebatch = LiteBatch(deployments=there, storage="memory:", authenticator=by_key)
    async with served(litebatch.page) as address, visiting(address, root="") as visitor:
        visitor.http.headers["authorization"] = "Bearer alice"
        page = await visitor.get("/batches")
        assert (page.status, page.alert) == (503, LifespanNotEntered().message)


def test_a_host_has_one_page(gateway: Standalone) -> None:
    assert gateway.litebatch.page is gateway.litebatch.page


async def test_an_authenticator_that_fails_is_told_of(gateway: Standalone) -> None:
    """And an attempt that could not be looked at is none."""

    async def failing(_: HTTPConnection) -> None:
        raise RuntimeError("no directory today")

    async with served(Page(gateway.litebatch, failing)) as address, visiting(address, root="") as visitor:
        for _ in range(12):
            page = await visitor.sign_in("sk-x")
            assert (page.status, page.heading) == (503, "LiteBatch")
            assert "Nobody can be authenticated" in (page.alert or "")


@pytest.mark.parametrize("status", [401, 403])
async def test_whatever_an_authenticator_says_no_with_counts(gateway: Standalone, status: int) -> None:
    async def refusing(_: HTTPConnection) -> None:
        raise HTTPException(status, "Not you.")

    async with served(Page(gateway.litebatch, refusing)) as address, visiting(address, root="") as visitor:
        for _ in range(10):
            page = await visitor.sign_in("sk-x")
            assert (page.status, page.alert) == (status, "Not you.")
        assert (await visitor.sign_in("sk-x")).status == 429
