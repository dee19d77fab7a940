"""Which addresses a webhook may be sent to: whoever registers one must not reach into our network. Pure.

`is_global` of `ipaddress` is no help: it passes NAT64 and 6to4 addresses of loopback, multicast, and
168.63.129.16, and it differs between versions of Python. Source of the blocks: IANA's registries of
special-purpose addresses, RFC 6052 and RFC 5214 for IPv4 inside IPv6, and the clouds' documents for theirs.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple


class _Block(NamedTuple):
    network: IPv4Network | IPv6Network
    what: str
    is_private: bool = False
    """networks of one's own: allowed where the operator allows private addresses"""


def _blocks(what: str, *networks: str, is_private: bool = False) -> list[_Block]:
    return [_Block(ip_network(network), what, is_private) for network in networks]


_BLOCKED = (
    # first what must not be reached even where private addresses may
    *_blocks(
        "a cloud's own service",
        *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"),
        *("fd00:ec2::/32", "fd20:ce::/32"),
    ),
    *_blocks("link-local, as the metadata services of clouds are", "169.254.0.0/16", "fe80::/10"),
    *_blocks("loopback", "127.0.0.0/8", "::1/128", is_private=True),
    *_blocks("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", is_private=True),
    *_blocks("shared by a provider's customers", "100.64.0.0/10", is_private=True),
    *_blocks("this network", "0.0.0.0/8", "::/128"),
    *_blocks("multicast", "224.0.0.0/4", "ff00::/8"),
    *_blocks("for benchmarks", "198.18.0.0/15"),
    *_blocks(
        "for documentation",
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    ),
    *_blocks(
        "for protocols",
        *("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"),
        *("2001::/23", "2620:4f:8000::/48"),
    ),
    *_blocks("a tunnel", "192.88.99.0/24", "2002::/16", "3ffe::/16"),
    *_blocks("reserved", "240.0.0.0/4"),
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""mapped IPv4, and NAT64: all that a host without IPv4 gets for a name that has nothing else"""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""the middle of an interface id that ends in an IPv4 address"""


def refusal_of(text: str, *, to_private: bool = False) -> str | None:
    """Why nothing is sent to an address, as a clause about it; None: it may be.

    IPv4 inside IPv6 counts as what it leads to. Tunnels (6to4, Teredo), IPv4-compatible addresses and the
    local NAT64 prefix are refused whatever they carry: where they lead is up to the network that we are in.
    `to_private`: loopback and private addresses are allowed, metadata services and the rest are not.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "is no address"
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "names an interface of ours"
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
        is_translated = any(address in network for network in _TRANSLATED)
        if is_translated or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            refusal = _refusal(inner, to_private)
            if refusal is not None:
                return f"leads to {inner}, which {refusal}"
        if is_translated:
            return None
    return _refusal(address, to_private)


def _refusal(address: IPv4Address | IPv6Address, to_private: bool) -> str | None:
    for block in _BLOCKED:
        if address in block.network:
            return None if block.is_private and to_private else f"is {block.what}"
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "is not global unicast"
    return None
