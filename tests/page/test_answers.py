"""Every answer, whatever is asked and however: its headers, and that it is one."""

from __future__ import annotations

import re

import htpy as h
import httpx2
import pytest

from litebatch_asgi.errors import RequestTimeout
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.refusing import refused
from litebatch_asgi.page.static import ICON, SCRIPT, STYLE
from tests.access.standalone import MASTER, Standalone
from tests.http.sockets import head, raw_client
from tests.page.visiting import Page, visiting

PATHS = [
    "/ui",
    "/ui/",
    "/ui/sign-in",
    "/ui/sign-in?next=/batches",
    "/ui/sign-out",
    f"/ui/static/{STYLE.name}",
    f"/ui/static/{SCRIPT.name}",
    f"/ui/static/{ICON.name}",
    "/ui/static/../page.js",
    "/ui/static/",
    "/ui/batches",
    "/ui/batches?after=nothing",
    "/ui/nowhere",
    "/ui//",
    "/ui/%00",
    "/ui/%ff",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


def assert_guarded(answer: httpx2.Response) -> None:
    """Whether it has all the headers, each once."""
    for name, value in HEADERS.items():
        given = answer.headers.get_list(name)
        if name == "cache-control" and answer.status_code == 200 and "/static/" in str(answer.url):
            value = "public, max-age=31536000, immutable"
        assert given == [value], (answer.request.method, str(answer.url), name)
    assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_signed_in", [False, True])
async def test_every_answer_has_the_headers(gateway: Standalone, method: str, is_signed_in: bool) -> None:
    async with visiting(gateway, MASTER if is_signed_in else None) as visitor:
        for path in PATHS:
            for accept in ("*/*", "text/event-stream"):
                if accept != "*/*" and path.startswith("/ui/batches"):
                    continue  # a stream is looked at elsewhere
                answer = await visitor.http.request(
                    method, gateway.address + path, headers={"accept": accept}
                )
                assert_guarded(answer)
                assert answer.status_code < 500
                if method not in ("GET", "HEAD", "POST"):
                    assert answer.status_code == 405 or path == "/ui"
                if answer.status_code == 405:
                    assert method not in answer.headers["allow"].split(", ")
                if method == "HEAD":
                    assert answer.content == b""
                elif answer.status_code >= 400 and answer.status_code != 204:
                    assert answer.headers["content-type"] == "text/html; charset=utf-8"
                    assert Page(answer).heading


def test_nothing_runs_or_is_styled_that_stands_in_a_page() -> None:
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy


async def test_no_page_has_a_script_or_style_in_itself(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        for page in [await visitor.get(path) for path in ("/batches", "/sign-in", "/nowhere")]:
            for element in page.tree.every():
                assert element.tag != "style"
                assert element.tag != "script" or (element.get("src") and not element.raw)
                for name, value in element.attributes.items():
                    assert name != "style"
                    assert not name.startswith("on")
                    if name in ("href", "src", "action"):
                        assert value.startswith(("/ui/", "#"))


async def test_pages_say_what_they_are(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor, visiting(gateway) as stranger:
        told = {
            (page.status, page.title, page.heading)
            for page in (
                await stranger.get("/sign-in"),
                await visitor.get("/batches"),
                await visitor.get("/nowhere"),
                await stranger.get("/static/nothing"),
                Page(await visitor.post("/sign-out")),
                Page(await visitor.post("/batches", token=await visitor.token())),
                Page(await visitor.http.get(f"{gateway.address}/ui/sign-out")),
            )
        }
        assert told == {
            (200, "Sign in - LiteBatch", "LiteBatch"),
            (200, "Batches - LiteBatch", "Batches"),
            (404, "Not found - LiteBatch", "Not found"),
            (403, "This was not done - LiteBatch", "This was not done"),
            (405, "This was not done - LiteBatch", "This was not done"),
            (405, "This cannot be shown - LiteBatch", "This cannot be shown"),
        }
        for page in (await visitor.get("/nowhere"), await stranger.get("/static/nothing")):
            (html,) = page.tree.every("html")
            assert html.get("lang") == "en"
            assert [each for each in page.links.values() if each == "/ui/"]


async def test_assets_are_kept_by_browsers_and_change_with_their_names(gateway: Standalone) -> None:
    async with visiting(gateway) as visitor:
        page = await visitor.get("/sign-in")
        names = {each.get("href") or each.get("src") for each in page.tree.every("link", "script")}
        assert names == {f"/ui/static/{each.name}" for each in (ICON, SCRIPT, STYLE)}
        for name in names:
            assert re.fullmatch(r"/ui/static/\w+-[0-9a-f]{12}\.\w+", name)
            answer = await visitor.http.get(gateway.address + name)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["content-type"].partition(";")[0] in (
                "image/svg+xml",
                "text/css",
                "text/javascript",
            )


class TestBodies:
    async def test_one_that_is_too_large(self, gateway: Standalone) -> None:
        async with visiting(gateway, MASTER) as visitor:
            for path in ("/sign-in", "/sign-out"):
                answer = await visitor.post(path, token="x" * (300 << 10))
                assert answer.status_code == 400
                assert "262144 bytes" in (Page(answer).alert or "")

    @pytest.mark.parametrize(
        "body",
        [
            b"\xff",
            b"key=%ff",
            b"key=%ed%a0%80",
            b"&".join(b"a%d=1" % number for number in range(501)),
            "schlüssel=ä".encode(),
        ],
    )
    async def test_what_is_no_form(self, gateway: Standalone, body: bytes) -> None:
        async with visiting(gateway, MASTER) as visitor:
            for path in ("/ui/sign-in", "/ui/sign-out"):
                answer = await visitor.http.post(gateway.address + path, content=body)
                assert answer.status_code == 400
                assert "not a form" in (Page(answer).alert or "")

    async def test_one_that_never_comes_whole_keeps_nobody_else(self, gateway: Standalone) -> None:
        async with raw_client(gateway.address) as slow, visiting(gateway) as visitor:
            await slow.send(head("POST", "/ui/sign-in", content_length=1000), b"key=")
            assert (await visitor.get("/sign-in")).status == 200
            slow.cut()
        assert (await gateway.client(MASTER).models.list()).data

    def test_of_one_that_comes_too_slowly_the_rest_is_not_waited_for(self) -> None:
        late = refused(h.html, RequestTimeout("The body took more than 60 seconds."))
        assert (late.status_code, late.headers["connection"]) == (408, "close")

    async def test_a_key_is_not_taken_from_the_address(self, gateway: Standalone) -> None:
        async with visiting(gateway) as visitor:
            answer = await visitor.http.post(f"{gateway.address}/ui/sign-in?key={MASTER}", data={"a": "b"})
            assert answer.status_code == 401


class TestQueries:
    @pytest.mark.parametrize(
        "query",
        [
            "after=%00",
            "after=%ff",
            "after=%ed%a0%80",
            "%00=%00",
            "after=%0d%0ax:y",
            "&" * 1000,
            "a=b&" * 5000,
            "after=" + "x" * 20_000,
            "a[]=1;b",
            "after=a&after=b",
            "%",
        ],
    )
    async def test_whatever_it_is(self, gateway: Standalone, query: str) -> None:
        async with visiting(gateway, MASTER) as visitor, visiting(gateway) as stranger:
            for path in ("batches", "sign-in", "nowhere"):
                for each in (visitor, stranger):
                    answer = await each.http.get(f"{gateway.address}/ui/{path}?{query}")
                    assert answer.status_code < 500
                    assert_guarded(answer)
                    assert len(answer.headers.get("location", "")) < 4096
                    assert "x" not in answer.headers

    async def test_raw_bytes(self, gateway: Standalone) -> None:
        async with raw_client(gateway.address) as client:
            await client.send(head("GET", "/ui/batches?a=").replace(b"?a=", b"?a=\xff\xfe"))
            answer = await client.answer()
            assert answer.status in (303, 400)


async def test_text_of_others_is_only_ever_text(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get("/%3Cscript%3Ealert(1)%3C/script%3E%22%3E")
        assert "<script>alert" not in page.html
        assert '<script>alert(1)</script>">' in page.text


async def test_websockets_are_not_spoken(gateway: Standalone) -> None:
    sent = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x" * 22 + "=="}
    async with visiting(gateway) as visitor:
        answer = await visitor.http.get(f"{gateway.address}/ui/batches", headers=sent)
        assert answer.status_code in (303, 400)
