"""Which server is spoken to, and with which key. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.headers import fits_header

OPENAI = "https://api.openai.com/v1"
_OURS, _OPENAI_S = ("LITEBATCH_BASE_URL", "LITEBATCH_API_KEY"), ("OPENAI_BASE_URL", "OPENAI_API_KEY")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that speaks OpenAI's API."""

    base_url: str
    """with what goes before `/files`, mostly `/v1`; without a slash at the end"""
    api_key: str

    def __repr__(self) -> str:
        return f"Server({self.base_url!r})"


def choose(base_url: str | None, api_key: str | None, environ: Mapping[str, str]) -> Server:
    """The server that options and environment name.

    A key of the environment goes only to the server that is named beside it, unless the server is named by
    the option. Raises `ConfigError`.
    """
    pair = _OURS if environ.get(_OURS[0]) else _OPENAI_S
    url = base_url or environ.get(pair[0]) or OPENAI
    keys = (_OURS[1], _OPENAI_S[1]) if base_url else (pair[1],)
    key = api_key or next((environ[name] for name in keys if environ.get(name)), None)
    if not key:
        raise ConfigError(_no_key(url, keys, environ))
    if not fits_header(key):
        raise ConfigError(
            "the key holds what no key has: look for a line break, a space or a letter outside ASCII"
        )
    return Server(base_url=_checked(url), api_key=key)


def _no_key(url: str, keys: tuple[str, ...], environ: Mapping[str, str]) -> str:
    if keys == (_OPENAI_S[1],) and environ.get(_OURS[1]):
        return f"{_OURS[1]} is set, but not its server: set {_OURS[0]}, such as http://127.0.0.1:4000/v1"
    return f"no key for {_shown(url)}: set {' or '.join(keys)}"


def _checked(text: str) -> str:
    url = _parsed(text)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(
            f"{_shown(text)!r} is no base URL: write one such as http://127.0.0.1:4000/v1, without a query"
        )
    if url.userinfo:
        raise ConfigError(f"the base URL of {url.host} carries credentials: give the key by itself")
    return str(url).rstrip("/")


def _parsed(text: str) -> httpx2.URL:
    try:
        return httpx2.URL(text)
    except httpx2.InvalidURL:
        return httpx2.URL()


def _shown(text: str) -> str:
    """The URL without credentials."""
    url = _parsed(text)
    return str(url.copy_with(userinfo=b"")) if url.userinfo else text
