"""Sessions: who has signed in comes again with a cookie."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from litebatch_asgi.page.addresses import cookie_path, root_of

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")

COOKIE = "litebatch_session"
NOTICE_COOKIE = "litebatch_notice"
BROWSER_COOKIE = "litebatch_browser"
SESSION_SECONDS = 8 * 3600
ENDED_SECONDS = 2 * SESSION_SECONDS
"""how long it is known that a session was ended: the database's clock may be another one"""
_NOTICE_SECONDS = 60
_BROWSER_SECONDS = 90 * 86400
_LONGEST_KEY = 1024
_LONGEST_NOTICE = 1024
"""bytes: browsers take no cookie of more than 4096"""


class Session(msgspec.Struct, frozen=True, kw_only=True, tag="session"):
    """What the cookie holds."""

    key: str
    """what somebody has signed in with"""
    nonce: str
    """of this session alone: by it is known which ones were ended"""


class _Notice(msgspec.Struct, frozen=True, kw_only=True, tag="notice"):
    text: str
    token: str
    """whose it is: after signing out and in again it is nobody's"""


class _Browser(msgspec.Struct, frozen=True, kw_only=True, tag="browser"):
    owner: str


class Sessions:
    """Makes and reads the cookies. They are encrypted and signed: nothing of a key can be read from one.

    A session holds the key that somebody has signed in with, and nothing of what it allows: each request asks
    anew whom the key stands for, so that a blocked key ends its sessions, and asks the database whether this
    one was ended. All processes that serve one page need the same `secret`; without one sessions end with the
    process. `clock` tells seconds since 1970.
    """

    def __init__(self, secret: str | None = None, *, clock: Callable[[], float] = time.time) -> None:
        seed = secret.encode() if secret is not None else secrets.token_bytes(32)
        self._fernet = Fernet(urlsafe_b64encode(_derived(seed, b"litebatch page: cookies")))
        self._for_tokens = _derived(seed, b"litebatch page: tokens of forms")
        self._clock = clock
        self._has_warned = False

    def session_of(self, connection: HTTPConnection) -> Session | None:
        """The caller's session; None: the caller has not signed in, or too long ago."""
        return self._read(connection, COOKIE, SESSION_SECONDS, Session)

    def token_of(self, session: Session | None, owner: str) -> str:
        """What stands in the forms of a session, or of an owner where the host knows who is calling."""
        of = f"host:{owner}" if session is None else f"session:{session.nonce}"
        return hmac.new(self._for_tokens, of.encode(), sha256).hexdigest()

    def begin(self, answer: Response, scope: Scope, key: str, owner: str) -> None:
        """Begin a session, with a cookie that nobody has had before; the browser is known from now on."""
        self._warn(scope)
        session = Session(key=key, nonce=secrets.token_hex(16))
        self._set(answer, scope, COOKIE, session, SESSION_SECONDS)
        self._set(answer, scope, BROWSER_COOKIE, _Browser(owner=owner), _BROWSER_SECONDS)

    def leave(self, answer: Response, scope: Scope) -> None:
        """Have the browser forget the session."""
        for name in (COOKIE, NOTICE_COOKIE):
            self._remove(answer, scope, name)

    def owner_of_browser(self, connection: HTTPConnection) -> str | None:
        """Who has signed in with this browser last, in the last months."""
        browser = self._read(connection, BROWSER_COOKIE, _BROWSER_SECONDS, _Browser)
        return None if browser is None else browser.owner

    def notice_of(self, connection: HTTPConnection, token: str) -> str | None:
        """What is to be shown once, to whom has this token."""
        notice = self._read(connection, NOTICE_COOKIE, _NOTICE_SECONDS, _Notice)
        return notice.text if notice is not None and hmac.compare_digest(notice.token, token) else None

    def give_notice(self, answer: Response, scope: Scope, notice: str, token: str) -> None:
        """Have something shown once, on the next page."""
        text = notice.encode(errors="replace")[:_LONGEST_NOTICE].decode(errors="ignore")
        self._set(answer, scope, NOTICE_COOKIE, _Notice(text=text, token=token), _NOTICE_SECONDS)

    def end_notice(self, answer: Response, scope: Scope) -> None:
        """It was shown."""
        self._remove(answer, scope, NOTICE_COOKIE)

    def _set(self, answer: Response, scope: Scope, name: str, value: msgspec.Struct, seconds: int) -> None:
        answer.set_cookie(
            name,
            self._fernet.encrypt_at_time(msgspec.json.encode(value), int(self._clock())).decode(),
            max_age=seconds,
            path=cookie_path(root_of(scope)),
            secure=scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )

    def _remove(self, answer: Response, scope: Scope, name: str) -> None:
        answer.delete_cookie(
            name,
            path=cookie_path(root_of(scope)),
            secure=scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )

    def _read(self, connection: HTTPConnection, name: str, seconds: int, kind: type[T]) -> T | None:
        cookie = connection.cookies.get(name, "")
        try:
            content = self._fernet.decrypt_at_time(cookie, seconds, int(self._clock()))
            return msgspec.json.decode(content, type=kind)
        except (InvalidToken, msgspec.MsgspecError, ValueError):
            return None

    def _warn(self, scope: Scope) -> None:
        """Say once that cookies travel in the clear."""
        if self._has_warned or scope["scheme"] == "https" or _is_on_this_machine(scope):
            return
        self._has_warned = True
        logger.warning(
            "somebody has signed in to the page over plain HTTP: the key and the session's cookie can be "
            "read on the way, and the cookie is not marked `Secure`. Serve the page over HTTPS; behind a "
            "proxy that ends TLS, have it send `X-Forwarded-Proto`, and let the server trust it."
        )


def is_plausible(key: str) -> bool:
    """Whether this could be a key: printable, and no longer than a cookie may hold."""
    return 0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()


def _is_on_this_machine(scope: Scope) -> bool:
    """Whether the connection has not left it: it came over the loopback, or over a socket with a path."""
    host, port = scope.get("server") or ("", 0)
    try:
        return port is None or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _derived(seed: bytes, purpose: bytes) -> bytes:
    return hmac.new(seed, purpose, sha256).digest()
