"""Sessions: who has signed in comes again with a cookie."""

from __future__ import annotations

import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")

COOKIE = "litebatch_session"
NOTICE_COOKIE = "litebatch_notice"
SESSION_SECONDS = 8 * 3600
_NOTICE_SECONDS = 60
_LONGEST_KEY = 1024
_LONGEST_NOTICE = 1024
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _Session(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    nonce: str


class Sessions:
    """Makes and reads the cookies. They are encrypted and signed: nothing of a key can be read from one.

    A session holds the key that somebody has signed in with, and nothing of what it allows: each request asks
    anew whom the key stands for, so that a blocked key ends its sessions. All processes that serve one page
    need the same `secret`; without one sessions end with the process.
    """

    def __init__(self, secret: str | None = None) -> None:
        seed = secret.encode() if secret is not None else secrets.token_bytes(32)
        self._fernet = Fernet(urlsafe_b64encode(_derived(seed, b"litebatch page: cookies")))
        self._for_tokens = _derived(seed, b"litebatch page: tokens of forms")
        self._has_warned = False

    def key_of(self, connection: HTTPConnection) -> str | None:
        """The key that the caller has signed in with; None: the caller has not, or too long ago."""
        session = self._read(connection.cookies.get(COOKIE), SESSION_SECONDS, _Session)
        return None if session is None else session.key

    def token_of(self, connection: HTTPConnection, owner: str) -> str:
        """What stands in the forms of this session, or of this owner where the host knows who is calling."""
        of = connection.cookies.get(COOKIE) or f"host:{owner}"
        return hmac.new(self._for_tokens, of.encode(), sha256).hexdigest()

    def begin(self, answer: Response, scope: Scope, path: str, key: str) -> None:
        """Begin a session for whoever has this key, and has not had one before: each has an own cookie."""
        self._warn(scope)
        session = _Session(key=key, nonce=secrets.token_hex(8))
        self._set(answer, scope, path, COOKIE, session, SESSION_SECONDS)

    def end(self, answer: Response, path: str) -> None:
        """End the session."""
        answer.delete_cookie(COOKIE, path=path)

    def notice_of(self, connection: HTTPConnection) -> str | None:
        """What is to be shown once."""
        return self._read(connection.cookies.get(NOTICE_COOKIE), _NOTICE_SECONDS, str)

    def give_notice(self, answer: Response, scope: Scope, path: str, notice: str) -> None:
        """Have something shown once, on the next page."""
        self._set(answer, scope, path, NOTICE_COOKIE, notice[:_LONGEST_NOTICE], _NOTICE_SECONDS)

    def end_notice(self, answer: Response, path: str) -> None:
        """It was shown."""
        answer.delete_cookie(NOTICE_COOKIE, path=path)

    def _set(self, answer: Response, scope: Scope, path: str, name: str, value: object, seconds: int) -> None:
        answer.set_cookie(
            name,
            self._fernet.encrypt(msgspec.json.encode(value)).decode(),
            max_age=seconds,
            path=path,
            secure=scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )

    def _read(self, cookie: str | None, seconds: int, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(self._fernet.decrypt(cookie or "", ttl=seconds), type=kind)
        except (InvalidToken, msgspec.MsgspecError):
            return None

    def _warn(self, scope: Scope) -> None:
        """Say once that cookies travel in the clear."""
        server = scope.get("server")
        if scope["scheme"] == "https" or self._has_warned or (server and server[0] in _LOOPBACK):
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


def _derived(seed: bytes, purpose: bytes) -> bytes:
    return hmac.new(seed, purpose, sha256).digest()
