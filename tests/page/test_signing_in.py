"""Who signs in, what their cookies are, and when a session ends."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from functools import partial
from http.cookies import Morsel, SimpleCookie
from time import time

import anyio
import httpx2
import pytest
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from litebatch_asgi.page.sessions import BROWSER_COOKIE, COOKIE, SESSION_SECONDS, Sessions
from tests.access.standalone import MASTER, Standalone
from tests.page.visiting import Page, Visitor, visiting


def cookies_of(answer: httpx2.Response) -> dict[str, Morsel[str]]:
    """What an answer sets."""
    jar = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return dict(jar)


def is_signed_out(page: Page) -> bool:
    return page.path.startswith("/ui/sign-in")


async def session_for(visitor: Visitor) -> str:
    return next(each.value or "" for each in visitor.http.cookies.jar if each.name == COOKIE)


def scope(server: tuple[str, int | None] | None, scheme: str = "http") -> dict[str, object]:
    return {"type": "http", "scheme": scheme, "server": server, "root_path": "/ui", "headers": []}


def carried(cookies: Iterable[tuple[str, str]]) -> HTTPConnection:
    """A request with these cookies."""
    line = "; ".join(f"{name}={value}" for name, value in cookies)
    return HTTPConnection({"type": "http", "headers": [(b"cookie", line.encode())]})


class TestCookies:
    async def test_no_script_and_no_other_site_gets_at_it(self, gateway: Standalone) -> None:
        async with visiting(gateway) as visitor:
            page = await visitor.sign_in(MASTER)
            cookies = cookies_of(page.answer.history[0])
            assert cookies.keys() == {COOKIE, BROWSER_COOKIE}
            for cookie in cookies.values():
                assert cookie["httponly"]
                assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("strict", "/ui/", "")
                assert not cookie["secure"]
            assert cookies[COOKIE]["max-age"] == str(8 * 3600)

    async def test_over_https_it_is_for_https_alone(self, gateway: Standalone) -> None:
        """As a proxy on this machine tells it, which uvicorn trusts."""
        async with visiting(gateway) as visitor:
            form = (await visitor.get("/sign-in")).form("Sign in")
            answer = await visitor.http.post(
                form.action, data={**form.values, "key": MASTER}, headers={"x-forwarded-proto": "https"}
            )
            assert all(cookie["secure"] for cookie in cookies_of(answer).values())

    async def test_nothing_of_the_key_can_be_read(
        self, gateway: Standalone, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with visiting(gateway) as visitor:
            page = await visitor.sign_in(MASTER, "/sign-in?next=/batches")
            wrong = await visitor.sign_in(f"{MASTER}-not")
            cookies = [each.value or "" for each in visitor.http.cookies.jar]
            decoded = [base64.urlsafe_b64decode(each) for each in cookies]
            assert not any(MASTER.encode() in each for each in decoded)
            for shown in (page, wrong, await visitor.get("/batches"), *map(Page, page.answer.history)):
                told = f"{shown.url} {shown.html} {shown.answer.headers}"
                assert MASTER not in told
        assert MASTER not in repr(gateway.logged)
        assert MASTER not in caplog.text

    async def test_each_time_of_signing_in_has_its_own(self, gateway: Standalone) -> None:
        """Whoever has put a cookie of their own into the browser before knows nothing of the session."""
        async with visiting(gateway) as visitor, visiting(gateway, MASTER) as other:
            planted = await session_for(other)
            visitor.http.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/ui/")
            first_token = await visitor.token()
            assert first_token == await other.token()
            await visitor.sign_in(MASTER)
            assert await session_for(visitor) != planted
            assert await visitor.token() != first_token

    async def test_what_somebody_else_has_made_is_none(self, gateway: Standalone) -> None:
        async with visiting(gateway, MASTER) as visitor:
            whole = await session_for(visitor)
        answer = Response()
        Sessions("another gateway's secret").begin(answer, scope(None, "https"), MASTER, "master")
        foreign = SimpleCookie(MutableHeaders(raw=answer.raw_headers)["set-cookie"])[COOKIE].value
        cut = whole[:-10]
        turned = whole[:60] + ("A" if whole[60] != "A" else "B") + whole[61:]
        async with httpx2.AsyncClient(base_url=gateway.address) as http:
            for cookie in (foreign, cut, turned, "", "x", "ü", "=" * 100, "a" * 4000):
                headers = {b"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
                page = Page(await http.get("/ui/batches", headers=headers, follow_redirects=True))
                assert is_signed_out(page), cookie
            sent = {"cookie": f"{COOKIE}={whole}"}
            assert (await http.get("/ui/batches", headers=sent)).status_code == 200

    async def test_what_was_made_for_one_thing_is_not_taken_for_another(self, gateway: Standalone) -> None:
        async with visiting(gateway, MASTER) as visitor:
            known = next(each.value for each in visitor.http.cookies.jar if each.name == BROWSER_COOKIE)
        async with httpx2.AsyncClient(base_url=gateway.address) as http:
            answer = await http.get("/ui/batches", headers={"cookie": f"{COOKIE}={known}"})
            assert answer.status_code == 303


class TestWarning:
    @pytest.mark.parametrize(
        ("server", "scheme", "is_warned"),
        [
            (("10.0.0.1", 80), "http", True),
            (("gateway.example", 80), "http", True),
            (None, "http", True),
            (("10.0.0.1", 443), "https", False),
            (("127.0.0.1", 80), "http", False),
            (("127.8.8.8", 80), "http", False),
            (("::1", 80), "http", False),
            (("localhost", 80), "http", False),
            (("/run/gateway.sock", None), "http", False),
        ],
    )
    def test_a_key_in_the_clear_is_told_once(
        self,
        server: tuple[str, int | None] | None,
        scheme: str,
        is_warned: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        sessions = Sessions()
        for _ in range(3):
            sessions.begin(Response(), scope(server, scheme), "sk-x", "alice")
        assert len(caplog.records) == is_warned
        assert caplog.text.count("Serve the page over HTTPS") == is_warned


class TestNotice:
    def test_it_is_told_to_whom_it_was_meant(self) -> None:
        sessions = Sessions()
        answer = Response()
        sessions.give_notice(answer, scope(None), "Done.", "token")
        cookie = SimpleCookie(answer.headers["set-cookie"])
        connection = carried((name, morsel.value) for name, morsel in cookie.items())
        assert sessions.notice_of(connection, "token") == "Done."
        assert sessions.notice_of(connection, "other") is None

    @pytest.mark.parametrize("notice", ["x" * 5000, "\N{PILE OF POO}" * 5000, "\udc80 \x00\r\nx: y"])
    def test_whatever_it_says_a_browser_takes_it(self, notice: str) -> None:
        sessions = Sessions()
        answer = Response()
        sessions.give_notice(answer, scope(None), notice, "t" * 64)
        header = answer.headers["set-cookie"]
        assert len(header) < 4000
        assert header.isprintable()
        cookie = SimpleCookie(header)
        connection = carried((name, morsel.value) for name, morsel in cookie.items())
        assert (sessions.notice_of(connection, "t" * 64) or "")[:2] == notice.replace("\udc80", "?")[:2]


class TestEnd:
    async def test_after_eight_hours(self, gateway: Standalone) -> None:
        secret = gateway.litebatch.settings.page_secret
        for age, status in ((SESSION_SECONDS + 2, 303), (SESSION_SECONDS - 60, 200)):
            then = time() - age
            sessions = Sessions(secret, clock=partial(float, then))
            answer = Response()
            sessions.begin(answer, scope(None, "https"), MASTER, "master")
            cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE].value
            async with httpx2.AsyncClient(base_url=gateway.address) as http:
                came = await http.get("/ui/batches", headers={"cookie": f"{COOKIE}={cookie}"})
            assert came.status_code == status

    @pytest.mark.parametrize("way", ["block", "delete", "expire"])
    async def test_with_its_key(self, gateway: Standalone, way: str) -> None:
        fields = {"duration": "1s"} if way == "expire" else {}
        key = await gateway.new_key(user_id="carol", **fields)
        async with visiting(gateway, key) as visitor:
            assert "carol" in (await visitor.get("/batches")).text
            if way == "block":
                await gateway.manage("/key/block", key=key)
            elif way == "delete":
                await gateway.manage("/key/delete", keys=[key])

            async def has_ended() -> bool:
                return is_signed_out(await visitor.get("/batches"))

            if way != "expire":
                assert await has_ended()
            await gateway.eventually(has_ended)
            again = await visitor.sign_in(key)
            assert again.status == 401
            assert (again.alert or "").startswith("This ")

    async def test_whoever_sends_something_then_is_told_that_it_was_not_done(
        self, gateway: Standalone
    ) -> None:
        async with visiting(gateway, MASTER) as visitor:
            form = (await visitor.get("/batches")).form("Sign out")
            form.action = form.action.replace("sign-out", "batches")
            visitor.http.cookies.delete(COOKIE)
            page = await visitor.submit(form)
            assert is_signed_out(page)
            assert "was not done" in (page.alert or "")
            assert (await visitor.submit(page.form("Sign in"), key=MASTER)).heading == "Batches"

    async def test_by_signing_out(self, gateway: Standalone) -> None:
        async with visiting(gateway, MASTER) as visitor:
            page = await visitor.submit((await visitor.get("/batches")).form("Sign out"))
            assert is_signed_out(page)
            names = {each.name for each in visitor.http.cookies.jar}
            assert COOKIE not in names
            assert is_signed_out(await visitor.get("/batches"))

    async def test_signing_out_takes_the_sessions_token(self, gateway: Standalone) -> None:
        async with visiting(gateway, MASTER) as visitor:
            assert (await visitor.post("/sign-out", token="x")).status_code == 403
            assert (await visitor.get("/batches")).heading == "Batches"
            assert (await visitor.http.get(f"{gateway.address}/ui/sign-out")).status_code == 405


class TestAttempts:
    async def test_whoever_guesses_has_to_wait(self, gateway: Standalone) -> None:
        async with visiting(gateway) as visitor, visiting(gateway) as elsewhere:
            for http, address in ((visitor.http, "192.0.2.1"), (elsewhere.http, "192.0.2.2")):
                http.headers["x-forwarded-for"] = address
            for number in range(10):
                page = await visitor.sign_in(f"wrong-{number}")
                assert (page.status, page.alert) == (401, "This key is not known.")
            page = await visitor.sign_in(MASTER)
            assert page.status == 429
            assert "Try again in" in (page.alert or "")
            assert 0 < int(page.answer.headers["retry-after"]) <= 300
            assert (await elsewhere.sign_in(MASTER)).status == 200

    async def test_many_at_once_count_as_one_after_the_other(self, gateway: Standalone) -> None:
        statuses: list[int] = []
        async with visiting(gateway) as visitor:
            visitor.http.headers["x-forwarded-for"] = "192.0.2.3"

            async def guess(number: int) -> None:
                statuses.append((await visitor.post("/sign-in", key=f"wrong-{number}")).status_code)

            async with anyio.create_task_group() as tasks:
                for number in range(30):
                    tasks.start_soon(guess, number)
        assert sorted(statuses) == [401] * 10 + [429] * 20

    async def test_a_browser_that_has_signed_in_before_is_not_kept_out_by_a_neighbour(
        self, gateway: Standalone
    ) -> None:
        async with visiting(gateway, MASTER) as visitor, visiting(gateway) as neighbour:
            for http in (visitor.http, neighbour.http):
                http.headers["x-forwarded-for"] = "192.0.2.4"
            await visitor.submit((await visitor.get("/batches")).form("Sign out"))
            for number in range(11):
                await neighbour.post("/sign-in", key=f"wrong-{number}")
            assert (await neighbour.sign_in(MASTER)).status == 429
            assert (await visitor.sign_in(MASTER)).status == 200


async def test_where_one_wanted_to_go_one_comes(gateway: Standalone) -> None:
    async with visiting(gateway) as visitor:
        asked = await visitor.get("/batches?after=batch_1&x=%C3%A4+b")
        page = await visitor.submit(asked.form("Sign in"), key=MASTER)
        assert page.path == "/ui/batches?after=batch_1&x=%C3%A4+b"


async def test_a_link_on_another_site_leads_to_the_page_at_once(gateway: Standalone) -> None:
    """The first request is without the cookie; the second one, which our own page has made, has it."""
    async with httpx2.AsyncClient(base_url=gateway.address) as http:
        page = Page(await http.get("/ui/batches?after=b", headers={"sec-fetch-site": "cross-site"}))
        (refresh,) = (each for each in page.tree.every("meta") if each.get("http-equiv") == "refresh")
        assert refresh.get("content") == "0;url=/ui/batches?after=b"


@pytest.mark.parametrize("key", ["", " ", "x" * 1025, "sk-\x00", "sk-\n-x", "schlüssel"])
async def test_what_can_be_no_key_is_unknown(gateway: Standalone, key: str) -> None:
    async with visiting(gateway) as visitor:
        visitor.http.headers["x-forwarded-for"] = f"192.0.2.{100 + len(key) % 50}"
        page = await visitor.sign_in(key)
        assert (page.status, page.alert) == (401, "This key is not known.")
