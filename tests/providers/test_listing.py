"""Lists: complete, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer, ProviderBusy
from litebatch_asgi.models import ProviderBatch
from litebatch_asgi.providers._http import MAX_ANSWER_BYTES
from litebatch_asgi.providers.openai.listing import list_since
from litebatch_asgi.providers.openai.objects import parse_batch
from litebatch_asgi.providers.openai.reading import ListPage

from .wire import Answer, adapter_for, answer, cut, raw_server, refusal

START = 1_700_000_000
SINCE = datetime.fromtimestamp(START, UTC)


class PagedList:
    """A provider's list: the batches' times in its order, served page by page."""

    def __init__(self, times: Sequence[int | None], size: int) -> None:
        self.items = [{"id": f"b{index}", "created_at": moment} for index, moment in enumerate(times)]
        self.size = size
        self.pages = 0

    async def fetch(self, after: str | None) -> ListPage:
        self.pages += 1
        start = 0 if after is None else int(after[1:]) + 1
        end = start + self.size
        return ListPage(items=tuple(self.items[start:end]), has_more=end < len(self.items))

    async def read(self, since: datetime = SINCE) -> list[ProviderBatch]:
        return [batch async for batch in list_since(self.fetch, parse_batch, since)]


def due(times: Sequence[int | None]) -> list[str]:
    return [f"b{index}" for index, moment in enumerate(times) if moment is None or moment >= START - 1]


moments = st.lists(st.none() | st.integers(START - 30, START + 30), max_size=40)


@given(times=moments, disorder=st.lists(st.integers(0, 4), min_size=40, max_size=40), size=st.integers(1, 7))
async def test_a_list_from_new_to_old_is_read_completely(
    times: list[int | None], disorder: list[int], size: int
) -> None:
    falling = sorted(times, key=lambda moment: -(moment or START))
    shaken = [moment and moment - seconds for moment, seconds in zip(falling, disorder, strict=False)]
    assert [batch.id for batch in await PagedList(shaken, size).read()] == due(shaken)


@given(times=moments, size=st.integers(1, 7))
@example(times=[START - 100, START + 100], size=1)
@example(times=[START - 100, START - 100, START - 100, START + 100], size=2)
async def test_a_list_from_old_to_new_is_read_completely(times: list[int | None], size: int) -> None:
    rising = sorted(times, key=lambda moment: moment or START)
    assert [batch.id for batch in await PagedList(rising, size).read()] == due(rising)


async def test_a_list_from_new_to_old_is_read_no_further_than_needed() -> None:
    paged = PagedList([*range(START + 5, START - 10_000, -1)], size=10)
    assert len(await paged.read()) == 7
    assert paged.pages <= 3


async def test_others_have_their_turn_while_a_long_page_is_read() -> None:
    """Azure's classic list gives all files at once, up to 10,000 of them."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    paged = PagedList([START] * 2_000, size=2_000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        assert len(await paged.read()) == 2_000
        tasks.cancel_scope.cancel()
    assert turns >= 8


async def test_times_are_whole_seconds() -> None:
    paged = PagedList([START, START - 1, START - 2], size=10)
    assert [batch.id for batch in await paged.read(SINCE + timedelta(milliseconds=900))] == ["b0", "b1"]


@pytest.mark.parametrize(
    ("pages", "has_more"),
    [
        (["12", "12"], True),
        (["12", "3", "12"], True),
        (["12", ""], True),
        ([""], True),
        (["12", "12"], None),
    ],
)
async def test_a_page_that_does_not_lead_on_is_an_error(pages: list[str], has_more: bool | None) -> None:
    """A list that gives the same page again and again must neither loop nor pass for complete."""
    script = iter(pages)

    async def fetch(after: str | None) -> ListPage:
        return ListPage(items=tuple({"id": name} for name in next(script)), has_more=has_more)

    with pytest.raises(NoClearAnswer):
        [batch async for batch in list_since(fetch, parse_batch, SINCE)]


async def test_without_a_word_on_more_the_list_ends_with_an_empty_page() -> None:
    pages = iter(["122", "23", ""])
    asked: list[str | None] = []

    async def fetch(after: str | None) -> ListPage:
        asked.append(after)
        return ListPage(items=tuple({"id": name} for name in next(pages)), has_more=None)

    assert [batch.id async for batch in list_since(fetch, parse_batch, SINCE)] == ["1", "2", "3"]
    assert asked == [None, "2", "3"]


def batch_page(*names: str, has_more: bool) -> Answer:
    data = [{"id": name, "created_at": START} for name in names]
    return answer({"object": "list", "data": data, "last_id": "misleading", "has_more": has_more})


async def test_batches_are_asked_for_page_by_page() -> None:
    pages = [batch_page("b1", "b2", has_more=True), batch_page("b3", has_more=False)]
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        assert [batch.id async for batch in adapter.list_batches(since=SINCE)] == ["b1", "b2", "b3"]
    assert [request.target for request in server.received] == [
        "/v1/batches?limit=100",
        "/v1/batches?limit=100&after=b2",
    ]


async def test_files_are_asked_for_newest_first() -> None:
    async with (
        raw_server(batch_page("f1", has_more=False)) as server,
        adapter_for(server.base_url) as adapter,
    ):
        assert [file.id async for file in adapter.list_files(since=SINCE)] == ["f1"]
    assert server.received[0].target == "/v1/files?order=desc&limit=100"


@pytest.mark.parametrize("passing", [refusal(503), cut()])
async def test_a_page_that_fails_is_asked_for_again(passing: Answer) -> None:
    pages = [batch_page("b1", has_more=True), passing, batch_page("b2", has_more=False)]
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        assert [batch.id async for batch in adapter.list_batches(since=SINCE)] == ["b1", "b2"]


async def test_a_page_that_keeps_failing_is_not_the_end() -> None:
    pages = [batch_page("b1", has_more=True), *[refusal(503)] * 3]
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ProviderBusy):
            [batch async for batch in adapter.list_batches(since=SINCE)]


async def test_a_list_that_is_not_there_is_the_deployments_fault() -> None:
    async with raw_server(refusal(404)) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(DeploymentRefused):
            [file async for file in adapter.list_files(since=SINCE)]


async def test_a_page_that_is_too_long_to_be_read_is_asked_for_in_smaller_ones() -> None:
    """Batches that failed with tens of thousands of errors each; a hundred of them are gigabytes."""
    pages = [
        answer(raw=b" " * (MAX_ANSWER_BYTES + 1)),
        batch_page("b1", "b2", has_more=True),
        batch_page("b3", has_more=False),
    ]
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        assert [batch.id async for batch in adapter.list_batches(since=SINCE)] == ["b1", "b2", "b3"]
    assert [request.target.partition("?")[2] for request in server.received] == [
        "limit=100",
        "limit=12",
        "limit=100&after=b2",
    ]


async def test_a_single_object_that_is_too_long_to_be_read_is_no_answer() -> None:
    pages = [answer(raw=b" " * (MAX_ANSWER_BYTES + 1))] * 4
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(NoClearAnswer, match="longer than 33554432 bytes"):
            [batch async for batch in adapter.list_batches(since=SINCE)]
    assert [request.target for request in server.received] == [
        f"/v1/batches?limit={limit}" for limit in (100, 12, 1)
    ]
