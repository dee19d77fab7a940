"""Headers that an operator wants on a deployment's requests, and the secrets in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

OF_EACH_MESSAGE = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""headers, in lower case, that say how one message is sent: nobody else can know them"""
SHORTEST_SECRET = 8
"""characters; what is shorter is a word that texts are full of"""

_LONGEST_WORD = 20
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_WORD = re.compile(r"[^\s\"'`,;:=(){}\[\]<>]+")


def fits_header(value: str) -> bool:
    """Whether a text can be sent as a header's value."""
    return value.isascii() and (value.isprintable() or not value) and value == value.strip()


def fault_in(headers: Mapping[str, str]) -> str | None:
    """What is wrong with the headers of a deployment, without any of their values; None: nothing."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            return f"{name!r} is no name of a header"
        if name.lower() in OF_EACH_MESSAGE:
            return f"{name} is set for each request: leave it out"
        if name.lower() in seen:
            return f"{name} stands there twice"
        if not fits_header(value):
            return (
                f"the value of {name} does not fit into a header; look for a line break, a space at its end "
                "or a letter outside ASCII"
            )
        seen.add(name.lower())
    return None


def secrets_in(values: Iterable[str]) -> frozenset[str]:
    """What must not be shown of headers' values: each as a whole, and the tokens in them.

    Source: `Authorization: Bearer TOKEN`, and Portkey's `x-portkey-config`, which is JSON with keys in it.
    """
    words = {word for value in values for word in (value, *_tokens_in(value))}
    return frozenset(word for word in words if len(word) >= SHORTEST_SECRET)


def _tokens_in(value: str) -> Iterator[str]:
    """The words that are no ordinary ones, for those are in every text."""
    scheme, _, token = value.partition(" ")
    if scheme.isalpha():
        yield token
    for word in _WORD.findall(value):
        if len(word) >= _LONGEST_WORD or any(character.isdigit() for character in word):
            yield word
