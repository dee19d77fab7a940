"""What the URL of a webhook has to look like."""

from __future__ import annotations

import socket

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.webhooks.addresses import refusal_of
from litebatch_asgi.webhooks.urls import MAX_URL, webhook_url

WRITTEN = {
    "https://example.com/hooks": "https://example.com/hooks",
    "https://example.com": "https://example.com/",
    "https://example.com?a=b&c": "https://example.com/?a=b&c",
    "HTTPS://EXAMPLE.Com./Hooks": "https://example.com/Hooks",
    "https://example.com:443/": "https://example.com/",
    "https://example.com:8443/": "https://example.com:8443/",
    "https://example.com:/x": "https://example.com/x",
    "https://my_host.example.com/": "https://my_host.example.com/",
    "https://bücher.example/ü?ß": "https://xn--bcher-kva.example/%C3%BC?%C3%9F",
    "https://faß.example/": "https://xn--fa-hia.example/",
    "https://\uff45xample\u3002com/": "https://example.com/",
    "https://example.com/a%2Fb?%20": "https://example.com/a%2Fb?%20",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://[2606:4700:0::1111]:9/": "https://[2606:4700::1111]:9/",
    "https://[64:ff9b::8.8.8.8]/": "https://[64:ff9b::808:808]/",
}
REFUSED = {
    "does not begin with https://": (
        *("", "example.com", "//example.com/", "ftp://example.com/", "javascript:alert(1)", "file:///etc"),
    ),
    "open to read": ("http://example.com/", "HTTP://example.com/"),
    "user name": ("https://a@example.com/", "https://a:b@example.com/", "https://@example.com/"),
    "fragment": ("https://example.com/#", "https://example.com/#a", "https://8.8.8.8#@example.com/"),
    "backslash or a control character": (
        *("https://example.com/a b", " https://example.com/", "https://exam\nple.com/", "https://a\\@b.com/"),
        *("https://example.com\\.evil.com/", "https://example.com/\x00", "https://example.com/\ud800"),
        "https://exa\u2028mple.com/",
    ),
    "names no host": (
        *("https:///x", "https://:443/", "https://?a", "https:example.com", "https://[::1]example.com/"),
        *("https://example.com:x/", "https://example.com:443:1/", "https://example.com:-1/"),
    ),
    "is no URL": ("https://[::1/", "https://exa℀mple.com/", "https://a]b/", "https://[::g]/"),
    "has the port": ("https://example.com:0/", "https://example.com:65536/", "https://example.com:99999/"),
    "percent-encoded; write": ("https://127%2E0.0.1/", "https://%6cocalhost/", "https://exa%00mple.com/"),
    "no name of a host": (
        *("https://example..com/", "https://.example.com/", "https://-a.example.com/", "https://a!.com/"),
        *(
            "https://xn--\u200b.com/",
            f"https://{'a' * 64}.com/",
            f"https://{'a.' * 127}com/",
            "https://*.com/",
        ),
    ),
    "on the Internet": (
        *("https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://redis/"),
        *("https://metadata.google.internal/", "https://printer.local/", "https://router.home.arpa/"),
        *("https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/", "https://168.63.129.16/"),
        *(
            "https://\uff11\uff12\uff17.0.0.\uff11/",
            "https://127\u30020\u30020\u30021/",
            "https://\u2460\u2461\u2466.0.0.1/",
            "https://127.0.0.1./",
        ),
        *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/"),
        *("https://[2002:7f00:1::]/", "https://[fd00:ec2::254]/", "https://[fe80::1]/"),
    ),
    "no address as it has to be written": (
        *("https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/"),
        *("https://127.1/", "https://127.0.1/", "https://0/", "https://0x/", "https://8.8.8.8.8/"),
        *("https://example.com.1/", "https://1.2.3.0x4/", "https://256.1.1.1/"),
        *("https://017700000001/", "https://00000008.8.8.8/", "https://0X7F.0.0.1/"),
    ),
    "characters; at most": (f"https://example.com/{'a' * MAX_URL}", f"https://example.com/{'ü' * 400}"),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_url_has_one_spelling(text: str) -> None:
    assert webhook_url(text) == WRITTEN[text]
    assert webhook_url(WRITTEN[text]) == WRITTEN[text]


@pytest.mark.parametrize(("why", "text"), [(why, each) for why, many in REFUSED.items() for each in many])
def test_what_no_webhook_is_sent_to(why: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        webhook_url(text)
    assert why in refusal.value.message
    assert refusal.value.param == "url"
    assert refusal.value.status == 400
    refusal.value.message.encode()


@pytest.mark.parametrize(
    "text",
    [
        *("http://127.0.0.1:9/", "http://localhost:8000/x", "https://redis/", "http://example.com/"),
        *("https://10.0.0.1/", "http://[::1]:8000/", "https://a.internal/"),
    ],
)
def test_for_tests_the_operator_may_allow_more(text: str) -> None:
    assert webhook_url(text, to_private=True) == text


@pytest.mark.parametrize("text", ["http://169.254.169.254/", "https://[fd00:ec2::254]/", "http://0.0.0.0/"])
def test_metadata_services_are_refused_even_then(text: str) -> None:
    with pytest.raises(InvalidRequest):
        webhook_url(text, to_private=True)


HOSTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.text("0123456789xXabf.:[]%@", max_size=20),
    st.lists(st.integers(0, 1 << 33).map(str) | st.integers(0, 255).map(hex), max_size=5).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)


@given(host=HOSTS, rest=st.text(max_size=20), to_private=st.booleans())
@example(host="0x7f.1", rest="", to_private=False)
def test_what_passes_is_read_alike_by_whoever_sends_it(host: str, rest: str, to_private: bool) -> None:
    """The client sees the host that was checked, and an address in no other form than it is."""
    try:
        written = webhook_url(f"https://{host}{rest}", to_private=to_private)
    except InvalidRequest:
        return
    url = httpx2.URL(written)
    assert written.isascii()
    assert written.startswith(f"https://{url.netloc.decode()}/")
    assert url.scheme == "https"
    assert not url.userinfo
    assert not url.fragment
    assert webhook_url(written, to_private=to_private) == written
    if ":" in url.host or reads_as_ipv4(url.host):
        assert refusal_of(url.host, to_private=to_private) is None
    elif not to_private:
        assert "." in url.host


def reads_as_ipv4(host: str) -> bool:
    """Whether the system takes it for an address, in any of the ways in which it can be written."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
