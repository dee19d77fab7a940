"""Authenticators: what a host's hook may be, what it may do wrong, and the ready-made ones."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, assert_type

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import Authenticator, LiteBatch, Principal
from litebatch_asgi.auth import identify
from litebatch_asgi.authenticators import MasterKeyAuthenticator, ScopeUserAuthenticator
from litebatch_asgi.errors import (
    ConfigError,
    LiteBatchError,
    ModelAccessDenied,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from tests.harness import deployments

ALICE = Principal(owner="alice")
CALLER: ContextVar[str] = ContextVar("CALLER")


def litebatch(folder: Path, authenticator: Authenticator) -> LiteBatch:
    """A LiteBatch whose deployments are never called."""
    return LiteBatch(
        deployments=deployments("http://127.0.0.1:9"),
        storage=f"sqlite:///{folder}/litebatch.db",
        authenticator=authenticator,
    )


@asynccontextmanager
async def client(
    folder: Path, authenticator: Authenticator, *middleware: Middleware
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a host that has LiteBatch mounted."""
    mounted = litebatch(folder, authenticator)
    app = Starlette(routes=[Mount("/v1", mounted.app)], middleware=middleware)
    transport = httpx2.ASGITransport(app)
    async with (
        mounted.lifespan(app),
        httpx2.AsyncClient(transport=transport, base_url="http://host.example") as http,
    ):
        yield http


async def asynchronous(connection: HTTPConnection) -> Principal | None:
    return ALICE if connection.headers.get("x-key") == "right" else None


def plain(connection: HTTPConnection) -> Principal | None:
    return ALICE if connection.headers.get("x-key") == "right" else None


def awaitable(connection: HTTPConnection) -> Awaitable[Principal | None]:
    return asynchronous(connection)


class Instance:
    def __call__(self, connection: HTTPConnection) -> Principal | None:
        return plain(connection)


async def typed(folder: Path, connection: HTTPConnection) -> None:
    """Never run: the type checkers read it."""
    for hook in (asynchronous, plain, awaitable, Instance()):
        litebatch(folder, hook)
    litebatch(folder, lambda _: None)
    litebatch(folder, MasterKeyAuthenticator("key"))
    litebatch(folder, ScopeUserAuthenticator(lambda user: Principal(owner=user.email)))
    assert_type(await identify(plain, connection), Principal | None)


@pytest.mark.parametrize("hook", [asynchronous, plain, awaitable, Instance()])
async def test_any_callable_says_who_is_calling(tmp_path: Path, hook: Authenticator) -> None:
    async with client(tmp_path, hook) as http:
        assert (await http.get("/v1/batches", headers={"x-key": "right"})).status_code == 200
        answer = await http.get("/v1/batches", headers={"x-key": "wrong"})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"


async def test_it_is_called_once_a_request(tmp_path: Path) -> None:
    paths: list[str] = []

    def counting(connection: HTTPConnection) -> Principal:
        paths.append(connection.url.path)
        return ALICE

    async with client(tmp_path, counting) as http:
        await http.get("/v1/files")
        await http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("x", b"")})
        await http.get("/v1/batches/batch_x")
    assert paths == ["/v1/files", "/v1/files", "/v1/batches/batch_x"]


class Setting:
    """A host's middleware that leaves word of the caller in a context variable."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = CALLER.set(f"user:{scope['path']}")
        await self._app(scope, receive, send)
        CALLER.reset(token)


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_hosts_context_variables_reach_it(tmp_path: Path, is_async: bool) -> None:
    seen: list[str] = []

    def look(_: HTTPConnection) -> Principal:
        seen.append(CALLER.get())
        return ALICE

    async def look_async(connection: HTTPConnection) -> Principal:
        return look(connection)

    async with client(tmp_path, look_async if is_async else look, Middleware(Setting)) as http:
        await http.get("/v1/files")
        await http.get("/v1/batches")
    assert seen == ["user:/v1/files", "user:/v1/batches"]


ERRORS: list[tuple[Exception, int, str | None]] = [
    (Unauthenticated("Your key is from last year."), 401, "invalid_api_key"),
    (PermissionDenied("Batches are not in your plan."), 403, "permission_denied"),
    (ModelAccessDenied("No."), 403, "model_access_denied"),
    (RateLimited("Slowly."), 429, "rate_limit_exceeded"),
    (Unavailable("The directory sleeps."), 503, "service_unavailable"),
    (HTTPException(401, "No."), 401, "invalid_api_key"),
    (HTTPException(403, "No."), 403, "permission_denied"),
    (HTTPException(429, "No.", {"Retry-After": "7"}), 429, "rate_limit_exceeded"),
    (HTTPException(402, "Pay."), 402, None),
    (AuthenticationError("Who?"), 401, "invalid_api_key"),
    (AuthenticationError(), 401, "invalid_api_key"),
    (HTTPException(500, "secret"), 503, "service_unavailable"),
    (HTTPException(502, "secret"), 503, "service_unavailable"),
    (KeyError("secret"), 503, "service_unavailable"),
    (TimeoutError("secret"), 503, "service_unavailable"),
    (PermissionError("secret"), 503, "service_unavailable"),
    (ConfigError("secret"), 503, "service_unavailable"),
    (LiteBatchError("secret"), 503, "service_unavailable"),
]


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_it_raises_is_answered_as_it_says(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    code: str | None,
    is_async: bool,
) -> None:
    def failing(_: HTTPConnection) -> Principal:
        raise error

    async def failing_async(_: HTTPConnection) -> Principal:
        raise error

    async with client(tmp_path, failing_async if is_async else failing) as http:
        answer = await http.get("/v1/files")
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) is (status in (429, 503))
    assert ("secret" in caplog.text) is ("secret" in str(error))


RETURNED: list[Any] = [
    True,
    "sk-secret",
    {"owner": "sk-secret"},
    0,
    False,
    Principal(owner=7),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Principal(owner=""),
    Principal(owner="sk-secret\0"),
    Principal(owner="a", key_id=7),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Principal(owner="a", models=["sk-secret"]),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Principal(owner="a", models="sk-secret"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
]


@pytest.mark.parametrize("returned", RETURNED, ids=repr)
async def test_what_is_no_principal_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, returned: Any
) -> None:
    def careless(_: HTTPConnection) -> Any:
        return returned

    async with client(tmp_path, careless) as http:
        answer = await http.get("/v1/files")
    assert answer.status_code == 503
    assert "Principal" not in answer.text
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "must return a litebatch_asgi.Principal" in record.getMessage()
    assert "sk-secret" not in caplog.text


class Backend(AuthenticationBackend):
    def __init__(self, users: dict[str, BaseUser]) -> None:
        self._users = users

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        user = self._users.get(conn.headers.get("x-user", ""))
        return None if user is None else (AuthCredentials(["authenticated"]), user)


class Employee(BaseUser):
    """Two of them may have one name."""

    def __init__(self, number: str) -> None:
        self._number = number

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return "J. Smith"

    @property
    def identity(self) -> str:
        return self._number


class Nameless(Employee):
    @property
    def identity(self) -> str:
        raise NotImplementedError


def behind(users: dict[str, BaseUser]) -> Middleware:
    return Middleware(AuthenticationMiddleware, backend=Backend(users))


def noting(seen: list[str], inner: Authenticator) -> Callable[[HTTPConnection], Awaitable[Principal | None]]:
    async def hook(connection: HTTPConnection) -> Principal | None:
        principal = await identify(inner, connection)
        seen.append(principal.owner if principal else "nobody")
        return principal

    return hook


async def test_starlettes_user_is_trusted(tmp_path: Path) -> None:
    seen: list[str] = []
    users: dict[str, BaseUser] = {"simple": SimpleUser("ann"), "one": Employee("1"), "two": Employee("2")}
    async with client(tmp_path, noting(seen, ScopeUserAuthenticator()), behind(users)) as http:
        for name, status in (("simple", 200), ("one", 200), ("two", 200), ("nobody", 401)):
            assert (await http.get("/v1/files", headers={"x-user": name})).status_code == status
    assert seen == ["user:ann", "user:1", "user:2", "nobody"]


async def test_the_host_may_say_what_a_user_is(tmp_path: Path) -> None:
    def principal_of(user: Any) -> Principal | None:
        return Principal(owner="team:search") if user.identity == "1" else None

    users: dict[str, BaseUser] = {"one": Employee("1"), "two": Employee("2")}
    async with client(tmp_path, ScopeUserAuthenticator(principal_of), behind(users)) as http:
        assert (await http.get("/v1/files", headers={"x-user": "one"})).status_code == 200
        assert (await http.get("/v1/files", headers={"x-user": "two"})).status_code == 401


async def test_a_user_without_an_identity_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(tmp_path, ScopeUserAuthenticator(), behind({"x": Nameless("1")})) as http:
        assert (await http.get("/v1/files", headers={"x-user": "x"})).status_code == 503
    assert "`principal_of`" in caplog.text


async def test_without_the_middleware_nobody_comes_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(tmp_path, ScopeUserAuthenticator()) as http:
        assert (await http.get("/v1/files")).status_code == 503
    assert "AuthenticationMiddleware" in caplog.text


def test_a_master_key_that_nobody_could_send_is_refused() -> None:
    for key in ("", " mk", "mk\n"):
        with pytest.raises(ConfigError):
            MasterKeyAuthenticator(key)


async def test_a_master_key_may_stand_for_anybody() -> None:
    connection = HTTPConnection({"type": "http", "headers": [(b"authorization", b"Bearer mk")]})
    assert await MasterKeyAuthenticator("mk", principal=ALICE)(connection) == ALICE
