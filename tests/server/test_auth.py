from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from litebatch_asgi.authenticators import MasterKeyAuthenticator
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Principal
from litebatch_asgi.server.auth import AnyKey, authenticator_for, is_loopback


def connection(authorization: str | None) -> HTTPConnection:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    return HTTPConnection({"type": "http", "headers": headers})


@pytest.mark.parametrize("header", ["Bearer mk-1", "bearer mk-1", "Bearer  mk-1 "])
async def test_the_master_key_makes_an_admin(header: str) -> None:
    assert await MasterKeyAuthenticator("mk-1")(connection(header)) == Principal(
        owner="master", key_id="master", is_admin=True
    )


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer mk-2", "Bearer mk-", "Basic mk-1", "mk-1", "Bearer \xff"],
)
async def test_anything_else_is_nobody(header: str | None) -> None:
    assert await MasterKeyAuthenticator("mk-1")(connection(header)) is None


async def test_without_a_master_key_any_token_is_the_local_owner() -> None:
    assert await AnyKey()(connection("Bearer whatever")) == Principal(owner="local")
    assert await AnyKey()(connection(None)) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.com", False), ("", False)),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_without_a_master_key_others_cannot_be_let_in() -> None:
    assert isinstance(authenticator_for("127.0.0.1", None), AnyKey)
    assert isinstance(authenticator_for("0.0.0.0", "mk-1"), MasterKeyAuthenticator)
    with pytest.raises(ConfigError, match=r"not on 0\.0\.0\.0: use --host 127\.0\.0\.1, or set"):
        authenticator_for("0.0.0.0", None)
