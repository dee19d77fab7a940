"""Which addresses webhooks may be sent to, and the many ways in which a hostile one can be written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.webhooks.addresses import refusal_of

OPEN = (
    *("8.8.8.8", "1.1.1.1", "20.112.52.29", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"),
    *("192.167.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15"),
    *("2606:4700:4700::1111", "2a00:1450:4001::200e", "2400:cb00::1", "2001:200::1", "2001:4860::8888"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::5efe:8.8.8.8"),
)
HOSTILE = {
    "loopback": ("127.0.0.1", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1"),
    "this network": ("0.0.0.0", "0.255.0.1", "::"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"),
    "shared by a provider's customers": ("100.64.0.1", "100.127.255.255"),
    "a cloud's own service": (
        *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    ),
    "link-local": ("169.254.169.254", "169.254.170.2", "fe80::1", "febf::1", "fe80::5efe:8.8.8.8"),
    "multicast": ("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    "reserved": ("240.0.0.1", "255.255.255.255"),
    "for benchmarks": ("198.18.0.1", "198.19.255.255"),
    "for documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "for protocols": (
        *("192.0.0.1", "192.52.193.1", "192.31.196.1", "192.175.48.1"),
        *("2001:2::1", "2001:10::1", "2001:20::1", "2001:1::1", "2620:4f:8000::1"),
    ),
    "for protocols ": ("2001:0:808:808::f7f7:f7f7", "2001:0:7f00:1::8080:fffe"),  # Teredo
    "a tunnel": ("2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "192.88.99.1", "3ffe::1"),
    "not global unicast": (
        *("::127.0.0.1", "::8.8.8.8", "::2", "100::1", "100:0:0:1::1", "fec0::1", "5f00::1", "4000::1"),
        *("64:ff9b:1::7f00:1", "64:ff9b:1:fffe::8.8.8.8", "64:ff9b:1:7f00:1::", "64:ff9b:0:1::8.8.8.8"),
    ),
    "leads to 127.0.0.1, which is loopback": (
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
        *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:127.0.0.1"),
    ),
    "leads to 169.254.169.254, which is link-local": ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    "leads to 168.63.129.16, which is a cloud's own service": ("64:ff9b::168.63.129.16",),
    "names an interface": ("fe80::1%eth0", "2606:4700::1%lo"),
    "no address": ("localhost", "", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "8.8.8.8/32", "[::1]"),
}
PRIVATE = (
    *("127.0.0.1", "::1", "10.1.2.3", "172.20.0.1", "192.168.0.9", "100.64.0.1", "fd12::1"),
    *("::ffff:10.0.0.1", "64:ff9b::127.0.0.1"),
)
OWN = ("loopback", "private", "shared by a provider's customers", "leads to 127.0.0.1, which is loopback")
V4 = st.ip_addresses(v=4)


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_is_reached(address: str) -> None:
    assert refusal_of(address) is None
    assert refusal_of(address, to_private=True) is None


@pytest.mark.parametrize(("why", "address"), [(why, each) for why, many in HOSTILE.items() for each in many])
def test_hostile_addresses_are_refused(why: str, address: str) -> None:
    assert why.strip() in (refusal_of(address) or "")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_are_reached_where_the_operator_says_so(address: str) -> None:
    assert refusal_of(address) is not None
    assert refusal_of(address, to_private=True) is None


@pytest.mark.parametrize("address", [each for why in HOSTILE if why not in OWN for each in HOSTILE[why]])
def test_then_too_nothing_else_is(address: str) -> None:
    assert refusal_of(address, to_private=True) is not None


@given(st.ip_addresses())
@example(IPv6Address("2001:db8::"))
def test_what_python_knows_to_be_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    """It knows less than we do, and never more, apart from what IPv4 is wrapped in."""
    is_special = not address.is_global or address.is_multicast or address.is_reserved
    is_wrapped = isinstance(address, IPv6Address) and refusal_of(f"64:ff9b::{_low(address)}") is None
    if is_special and not is_wrapped:
        assert refusal_of(str(address)) is not None


def _low(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


@given(V4)
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("169.254.169.254"))
@example(IPv4Address("168.63.129.16"))
@example(IPv4Address("224.0.0.1"))
def test_ipv4_in_ipv6_counts_as_what_it_is(address: IPv4Address) -> None:
    for to_private in (False, True):
        is_refused = refusal_of(str(address), to_private=to_private) is not None
        for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}", f"2606:4700::5efe:{address}"):
            assert (refusal_of(wrapped, to_private=to_private) is not None) == is_refused
        high = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
        for tunnel in (f"2002:{high}::1", f"2001:0:{high}::1", f"::{address}", f"64:ff9b:1::{address}"):
            assert refusal_of(tunnel, to_private=to_private) is not None or tunnel == "::0.0.0.1"


@given(st.ip_addresses(v=6, network="2000::/3"))
def test_however_it_is_written(address: IPv6Address) -> None:
    assert refusal_of(str(address)) == refusal_of(address.exploded) == refusal_of(address.exploded.upper())


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    refusal_of(text)
