"""Who gets the disk space of uploads, by the numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from litebatch_asgi.errors import FileTooLarge, SpoolFull
from litebatch_asgi.spool.space import RECLAIM_SECONDS, SpoolSpace


async def test_what_is_given_back_is_taken_again() -> None:
    space = SpoolSpace(10)
    for _ in range(3):
        await space.take("a", 4)
        await space.take("a", 6)
        with pytest.raises(SpoolFull):
            await space.take("b", 1)
        space.give_back("a")
        assert space.held_bytes == 0
    space.give_back("never seen")
    assert space.held_bytes == 0


async def test_what_can_never_fit_gives_nobody_up() -> None:
    space, given_up = SpoolSpace(10), list[str]()
    await space.take("a", 10)
    space.offer("a", lambda: given_up.append("a"))
    with pytest.raises(FileTooLarge, match="At most 10 bytes"):
        await space.take("b", 11)
    assert not given_up


async def test_as_many_are_given_up_as_are_needed_the_oldest_offer_first() -> None:
    space, given_up = SpoolSpace(10), list[str]()

    def closes(name: str) -> Callable[[], None]:
        def give_up() -> None:
            given_up.append(name)
            group.start_soon(close, name)

        return give_up

    async def close(name: str) -> None:
        await anyio.lowlevel.checkpoint()
        space.give_back(name)

    for name, size in (("a", 1), ("b", 3), ("c", 4), ("d", 2)):
        await space.take(name, size)
    for name in ("c", "b", "a"):
        space.offer(name, closes(name))
    async with anyio.create_task_group() as group:
        await space.take("e", 3)
        assert given_up == ["c"]
        await space.take("e", 3)
        assert given_up == ["c", "b"]
        with pytest.raises(SpoolFull):
            await space.take("e", 3)
        assert given_up == ["c", "b"]
        await space.take("f", 1)
        await space.take("f", 1)
        assert given_up == ["c", "b", "a"]
    assert space.held_bytes == 10


async def test_two_who_wait_do_not_give_up_twice_as_many() -> None:
    space, given_up = SpoolSpace(10), list[str]()
    for name in ("a", "b"):
        await space.take(name, 5)
        space.offer(name, partial(given_up.append, name))
    with anyio.fail_after(RECLAIM_SECONDS / 2):
        async with anyio.create_task_group() as group:
            for name in ("c", "d", "e"):
                group.start_soon(space.take, name, 1)
            await anyio.wait_all_tasks_blocked()
            assert given_up == ["a"]
            space.give_back("a")
    assert space.held_bytes == 8


async def test_what_is_not_closed_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litebatch_asgi.spool.space.RECLAIM_SECONDS", 0.05)
    space = SpoolSpace(10)
    await space.take("a", 10)
    space.offer("a", lambda: None)
    with pytest.raises(SpoolFull):
        await space.take("b", 1)
    assert space.held_bytes == 10
