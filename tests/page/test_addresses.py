"""Addresses that lead nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.page.addresses import address_in, local_path, path_in, root_of
from tests.access.standalone import MASTER, Standalone
from tests.page.visiting import visiting

WITHIN = [
    "/",
    "/batches",
    "/batches?after=b&x=%2F%2Fevil.example",
    "/files/file-1?next=//evil.example",
    "/batches/%5cevil",
    "/a b",
    "/ä/\N{PILE OF POO}",
    "/.hidden/..b/c..",
    "/%2F/evil.example",
]
ELSEWHERE = [
    None,
    "",
    "batches",
    "//evil.example",
    "///evil.example",
    "////evil.example/%2e",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nset-cookie: a=b",
    "\t//evil.example",
    " //evil.example",
    "/\x00/evil.example",
    "/\u2028/evil.example",
    "/\udc80",
    "/..",
    "/../admin",
    "/a/../../admin",
    "/%2e%2e/admin",
    "/.%2E/admin",
    "/./admin",
    "@evil.example",
    "?x",
    "#x",
    "/" + "x" * 3000,
    "/sign-out",
    "/sign-in",
]


def scope(path: str, root_path: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "http", "path": path, "root_path": root_path, "query_string": b"", **more}


@pytest.mark.parametrize("address", WITHIN)
def test_what_is_within_the_page_stays(address: str) -> None:
    assert local_path(address) == address


@pytest.mark.parametrize("address", ELSEWHERE)
def test_what_leads_elsewhere_leads_to_the_beginning(address: str | None) -> None:
    assert local_path(address) == "/"


@given(st.text("/\\.%2eEfF5cC@:?#\t\n evil", max_size=12), st.sampled_from(["", "/ui", "/a/b"]))
def test_no_address_leads_out_of_the_page(address: str, root: str) -> None:
    for given_address in (address, f"/{address}"):
        whole = urljoin("http://host.example/x/y", root + local_path(given_address))
        parts = urlsplit(whole)
        assert parts.netloc == "host.example"
        assert parts.path.startswith(f"{root}/")


@pytest.mark.parametrize("address", [each for each in ELSEWHERE if each and each.isascii()])
async def test_signing_in_leads_nowhere_else(gateway: Standalone, address: str) -> None:
    async with visiting(gateway) as visitor:
        answer = await visitor.post("/sign-in", key=MASTER, next=address)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/ui/"
        shown = await visitor.http.get(f"{gateway.address}/ui/sign-in", params={"next": address})
        assert 'name="next" value="/"' in shown.text


@pytest.mark.parametrize(
    "path", ["//evil.example", "/%5cevil.example", "/%09/evil.example", "/%0d%0ax:y", "/%e2%80%a8", "/%00"]
)
@pytest.mark.parametrize("site", ["cross-site", "none"])
async def test_neither_does_being_sent_to_sign_in(gateway: Standalone, path: str, site: str) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{gateway.address}/ui{path}", headers={"sec-fetch-site": site})
        assert answer.status_code in (200, 303)
        for place in (answer.headers.get("location", "/ui/"), answer.text.partition("0;url=")[2] or "/ui/"):
            assert place.startswith("/ui/")
            assert not place.startswith(("/ui//", "/ui/\\"))
        assert "x" not in answer.headers


@pytest.mark.parametrize(
    ("told", "path", "root"),
    [
        (scope("/ui/batches", "/ui"), "/batches", "/ui"),
        (scope("/ui", "/ui"), "", "/ui"),
        (scope("/ui/", "/ui"), "/", "/ui"),
        (scope("/batches"), "/batches", ""),
        (scope("/batches", "/"), "/batches", ""),
        (scope("/a/ui/batches", "/a/ui", app_root_path="/a"), "/batches", "/a/ui"),
        (scope("/ui/batches", "/a/ui", app_root_path="/a"), "/batches", "/a/ui"),
        (scope("/uix", "/ui"), "/uix", "/ui"),
        (scope("/batches", "//evil.example"), "/batches", "/evil.example"),
        (scope("/ü; x/b", "/ü; x"), "/b", "/%C3%BC%3B%20x"),
    ],
)
def test_the_place_that_the_page_is_mounted_at(told: dict[str, Any], path: str, root: str) -> None:
    assert (path_in(told), root_of(told)) == (path, root)


def test_an_address_is_written_as_it_was_asked_for() -> None:
    asked = scope("/ui/a?b#c\\d ü", "/ui") | {"query_string": b'a=%2F&b=\xff"<;'}
    assert address_in(asked) == "/a%3Fb%23c%5Cd%20%C3%BC?a=%2F&b=%C3%BF%22%3C;"
