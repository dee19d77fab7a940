"""What the URL of a webhook has to look like when it is registered. Pure: its name is looked up later.

What comes out is one spelling of what came in, in ASCII, so that whoever reads it later reads the same host.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import NoReturn
from urllib.parse import quote, urlsplit

import idna

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.webhooks.addresses import refusal_of

MAX_URL = 2048
"""characters"""
MAX_HOST = 253
_PORTS = {"https": 443, "http": 80}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
_AUTHORITY = re.compile(r"(?:\[(?P<address>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OWN_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa", "invalid", "onion")
"""of nobody on the Internet. Source: RFC 6761, 6762, 7686, 8375, and ICANN's resolution 2024.07.29.06"""
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def webhook_url(text: str, *, to_private: bool = False) -> str:
    """The URL in its one spelling. Raises `InvalidRequest` for one that no webhook is sent to.

    `to_private`: `http`, private addresses and names of one's own network are allowed as well.
    """
    if len(text) > MAX_URL:
        _refuse(f"it has {len(text)} characters; at most {MAX_URL} are allowed")
    if _FORBIDDEN.search(text):
        _refuse("it has a space, a backslash or a control character; write them percent-encoded")
    if "#" in text:
        _refuse("it has a fragment (`#`), which is never sent; leave it out")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise _refusal("it is no URL; write one like https://example.com/hooks") from error
    _check_scheme(parts.scheme, to_private)
    if "@" in parts.netloc:
        _refuse("it carries a user name or a password; what is sent is signed, which tells who sends it")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None or not (found["address"] or found["name"]):
        _refuse("it names no host; write one like https://example.com/hooks")
    where = (
        f"[{_address(found['address'], to_private)}]"
        if found["address"]
        else _host(found["name"], to_private)
    )
    port = int(found["port"] or _PORTS[parts.scheme])
    if not 0 < port < 1 << 16:
        _refuse(f"it has the port {port}; name one from 1 to 65535, or none")
    if port != _PORTS[parts.scheme]:
        where = f"{where}:{port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    written = f"{parts.scheme}://{where}{quote(target, safe=_PRINTABLE)}"
    if len(written) > MAX_URL:
        _refuse(f"percent-encoded it has {len(written)} characters; at most {MAX_URL} are allowed")
    return written


def _check_scheme(scheme: str, to_private: bool) -> None:
    if scheme not in _PORTS:
        _refuse("it does not begin with https://")
    if scheme == "http" and not to_private:
        _refuse(
            "it begins with http://, and what is sent would be open to read; use https:// (the operator may "
            "allow http:// for tests, with the setting webhooks_to_private_addresses)"
        )


def _host(host: str, to_private: bool) -> str:
    if "%" in host:
        _refuse("the name of its host is percent-encoded; write it as it is")
    name = _ascii(host).removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _address(name, to_private)
    labels = name.split(".")
    if len(name) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        _refuse(f"{host[:100]!r} is no name of a host")
    is_own = len(labels) == 1 or any(f".{name}".endswith(f".{own}") for own in _OWN_NAMES)
    if is_own and not to_private:
        _refuse(f"{host[:100]!r} is no name of a host on the Internet")
    return name


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True, transitional=False).decode()
    except idna.IDNAError as error:
        raise _refusal(f"{host[:100]!r} is no name of a host") from error


def _address(text: str, to_private: bool) -> str:
    """An address in its one spelling; short, octal and hexadecimal ones are refused, for readers differ."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise _refusal(
            f"{text[:100]!r} is no address as it has to be written, like 203.0.113.7 or [2001:db8::7]"
        ) from error
    refusal = refusal_of(str(address), to_private=to_private)
    if refusal is not None:
        _refuse(f"{text} {refusal}; a webhook goes to an address on the Internet")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address if mapped is None else f"::ffff:{mapped}")


def _refuse(why: str) -> NoReturn:
    raise _refusal(why)


def _refusal(why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid 'url': {why}.", param="url", code="invalid_value")
