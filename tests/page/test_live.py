"""Pages that follow what happens: what comes, when it ends, and what it takes of the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import anyio
import htpy as h
import httpx2
import pytest

from litebatch_asgi import Principal
from litebatch_asgi.errors import NotFound
from litebatch_asgi.page import Page, PageRoute, Section, Shown, Visit, live
from litebatch_asgi.page.live import FEW_OF_ONE, MOST_OF_ONE, MOST_STREAMS, Streams
from tests.access.standalone import MASTER, Standalone
from tests.harness import by_key
from tests.http.sockets import head, raw_client, served
from tests.page.events import ACCEPT, following
from tests.page.visiting import visiting


class Board:
    """A live page that shows what the test writes on it."""

    def __init__(self) -> None:
        self.text = "first"
        self.is_live = True
        self.error: Exception | None = None
        self.looks = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def show(self, visit: Visit) -> Shown:
        self.looks += 1
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        said = f"{self.text}, {visit.principal.owner}"
        return Shown(title="Board", content=(h.p[each] for each in (said,)), is_live=self.is_live)

    @property
    def section(self) -> Section:
        return Section(title="Board", path="/board", routes=(PageRoute(path="/board", get=self.show),))


class Watch:
    """A page with a board, on a socket, and its clients."""

    def __init__(self, board: Board, address: str) -> None:
        self.board = board
        self.address = f"{address}/board"

    @asynccontextmanager
    async def client(self, owner: str = "alice") -> AsyncGenerator[httpx2.AsyncClient]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(
            headers={"authorization": f"Bearer {owner}"}, timeout=20, limits=limits
        ) as http:
            yield http


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that follow each other at once, and streams that last."""
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0.02)
    monkeypatch.setattr(live, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(live, "STREAM_SECONDS", 30.0)


@pytest.fixture
async def watch(gateway: Standalone) -> AsyncGenerator[Watch]:
    board = Board()
    page = Page(gateway.litebatch, by_key, sections=(board.section,))
    async with served(page) as address:
        yield Watch(board, address)


async def until_room(watch: Watch, http: httpx2.AsyncClient) -> None:
    """Wait until a stream is opened and not refused."""
    with anyio.fail_after(10):
        while True:
            async with following(http, watch.address) as events:
                name, _ = await events.next()
            if name == "page":
                return


@pytest.mark.usefixtures("quick")
class TestStream:
    async def test_what_changes_comes_and_what_does_not_is_not_sent_again(self, watch: Watch) -> None:
        async with watch.client() as http, following(http, watch.address) as events:
            assert await events.next() == ("page", "first, alice")
            looks = watch.board.looks
            with anyio.fail_after(10):
                while watch.board.looks < looks + 3:  # noqa: ASYNC110 - the page is not to be touched
                    await anyio.sleep(0.01)
            watch.board.text = "second <b>"
            assert await events.next() == ("page", "second <b>, alice")

    async def test_it_ends_once_the_page_does_not_go_on(self, watch: Watch) -> None:
        async with watch.client() as http, following(http, watch.address) as events:
            await events.next()
            watch.board.is_live = False
            assert await events.rest() == ["end"]

    async def test_it_ends_once_there_is_nothing_to_see_any_more(self, watch: Watch) -> None:
        async with watch.client() as http, following(http, watch.address) as events:
            await events.next()
            watch.board.error = NotFound("It is gone.")
            assert await events.rest() == ["end"]

    async def test_a_handler_that_fails_ends_it_without_more_ado(
        self, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with watch.client() as http, following(http, watch.address) as events:
            await events.next()
            watch.board.error = RuntimeError("boom")
            assert await events.rest() == []
            (record,) = (each for each in caplog.records if each.levelno >= logging.WARNING)
            assert "RuntimeError('boom')" in record.getMessage()
            assert record.exc_info is None
            again = await http.get(watch.address, headers=ACCEPT)
            assert again.status_code == 500
            assert "boom" not in again.text

    async def test_a_page_that_takes_long_holds_nobody_else(self, watch: Watch) -> None:
        async with watch.client() as http, following(http, watch.address) as events:
            await events.next()
            watch.board.goes_on.clear()
            with anyio.fail_after(10):
                looks = watch.board.looks
                while watch.board.looks == looks:  # noqa: ASYNC110 - until it is being made
                    await anyio.sleep(0.01)
                page = await http.get(watch.address.replace("/board", "/batches"))
            assert page.status_code == 200
            watch.board.text = "late"
            watch.board.goes_on.set()
            assert await events.next() == ("page", "late, alice")

    async def test_what_is_not_live_is_not_followed(self, watch: Watch) -> None:
        watch.board.is_live = False
        async with watch.client() as http:
            for path in (watch.address, watch.address + "/nowhere"):
                assert (await http.get(path, headers=ACCEPT)).status_code == 204
            assert (await http.head(watch.address, headers=ACCEPT)).status_code == 200
        async with httpx2.AsyncClient() as nobody:
            assert (await nobody.get(watch.address, headers=ACCEPT)).status_code == 204

    async def test_it_ends_when_the_server_stops(
        self, gateway: Standalone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between two looks as well."""
        monkeypatch.setattr(live, "INTERVAL_SECONDS", 30.0)
        board = Board()
        page = Page(gateway.litebatch, by_key, sections=(board.section,))
        async with AsyncExitStack() as clients:
            async with served(page, drain_seconds=20, tells_stop=True) as address:
                watch = Watch(board, address)
                http = await clients.enter_async_context(watch.client())
                events = await clients.enter_async_context(following(http, watch.address))
                await events.next()
                begun = anyio.current_time()
            assert anyio.current_time() - begun < 5
            assert await events.rest() == []


async def test_a_stream_is_not_long(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser begins another: a server that is told to stop in some other way waits for no longer."""
    monkeypatch.setattr(live, "STREAM_SECONDS", 0.1)
    async with watch.client() as http, following(http, watch.address) as events:
        assert (await events.next())[0] == "page"
        assert await events.rest() == []


@pytest.mark.usefixtures("quick")
class TestRoom:
    async def test_an_owner_has_so_many_and_they_are_given_back(self, watch: Watch) -> None:
        async with watch.client() as http, watch.client("bob") as other:
            async with AsyncExitStack() as open_streams:
                for _ in range(MOST_OF_ONE):
                    events = await open_streams.enter_async_context(following(http, watch.address))
                    assert (await events.next())[0] == "page"
                async with following(http, watch.address) as events:
                    assert await events.next() == ("retry", "30000")
                    assert await events.rest() == []
                await until_room(watch, other)
            await until_room(watch, http)

    async def test_a_client_that_vanishes_gives_them_back(self, watch: Watch) -> None:
        request = head("GET", "/board", Accept="text/event-stream", Authorization="Bearer alice")
        async with AsyncExitStack() as clients:
            raw = [await clients.enter_async_context(raw_client(watch.address)) for _ in range(MOST_OF_ONE)]
            for client in raw:
                await client.send(request)
                await client.until(b"event: page")
            for client in raw:
                client.cut()
            async with watch.client() as http:
                await until_room(watch, http)

    async def test_one_that_does_not_read_is_cut(self, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live, "_CUT_SECONDS", 0.3)
        watch.board.text = "x" * (8 << 20)  # more than sockets hold
        request = head("GET", "/board", Accept="text/event-stream", Authorization="Bearer alice")
        async with AsyncExitStack() as clients:
            for _ in range(MOST_OF_ONE):
                client = await clients.enter_async_context(raw_client(watch.address))
                await client.send(request)
            async with watch.client() as http:
                await until_room(watch, http)

    def test_when_half_are_taken_everybody_has_a_few(self) -> None:
        streams = Streams()
        taken = list[str]()
        with ExitStack() as stack:
            for owner in [f"owner-{number}" for number in range(100)]:
                for _ in range(MOST_OF_ONE):
                    if stack.enter_context(streams.one(owner)):
                        taken.append(owner)
            assert len(taken) == MOST_STREAMS
            assert taken.count("owner-0") == MOST_OF_ONE
            assert taken.count("owner-5") == FEW_OF_ONE
            assert len(set(taken)) == 30
        with streams.one("owner-99") as has_room:
            assert has_room


async def test_a_blocked_key_ends_it(gateway: Standalone, quick: None) -> None:
    key = await gateway.new_key(user_id="dora")
    async with visiting(gateway, key) as visitor:
        address = f"{gateway.address}/ui/batches"
        async with following(visitor.http, address) as events:
            assert (await events.next())[0] == "page"
            await gateway.manage("/key/block", key=key)
            assert (await events.rest())[-1] == "end"
        assert (await visitor.http.get(address, headers=ACCEPT)).status_code == 204


async def test_looking_at_a_page_does_not_fill_the_log(
    gateway: Standalone, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAM_SECONDS", 0.05)
    async with visiting(gateway, MASTER) as visitor:
        address = f"{gateway.address}/ui/batches"
        del gateway.logged[:]
        async with following(visitor.http, address) as events:
            await events.rest()
        await visitor.get("/nowhere")
        assert [each["path"] for each in gateway.logged] == ["/ui/nowhere"]


async def test_signing_out_elsewhere_leaves_other_sessions(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor, visiting(gateway, MASTER) as other:
        await other.submit((await other.get("/batches")).form("Sign out"))
        assert (await visitor.get("/batches")).heading == "Batches"


async def test_admins_pages_are_followed_by_admins_alone(gateway: Standalone, quick: None) -> None:
    board = Board()
    is_admin = True

    async def somebody(_: object) -> Principal:
        return Principal(owner="alice", is_admin=is_admin)

    section = Section(title="Board", path="/board", for_admins=True, routes=board.section.routes)
    async with served(Page(gateway.litebatch, somebody, sections=(section,))) as address:
        watch = Watch(board, address)
        async with watch.client() as http:
            async with following(http, watch.address) as events:
                await events.next()
                is_admin = False
                assert await events.rest() == ["end"]
            assert (await http.get(watch.address, headers=ACCEPT)).status_code == 204
            assert (await http.get(watch.address)).status_code == 404
