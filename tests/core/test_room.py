"""Room that several share, in the order in which they came."""

from __future__ import annotations

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from litebatch_asgi.files.room import CHECK_BYTES, Room, check_bytes


async def test_who_came_first_is_let_in_first() -> None:
    room, inside = Room(10), list[str]()
    leave = {name: anyio.Event() for name in "abcd"}

    async def enter(name: str, amount: int) -> None:
        async with room.hold(amount):
            inside.append(name)
            await leave[name].wait()
        inside.remove(name)

    async with anyio.create_task_group() as group:
        for name, amount in (("a", 6), ("b", 6), ("c", 4), ("d", 99)):
            group.start_soon(enter, name, amount)
            await anyio.wait_all_tasks_blocked()
        assert inside == ["a"], "c waits for b, which came before"
        leave["a"].set()
        await anyio.wait_all_tasks_blocked()
        assert inside == ["b", "c"]
        leave["c"].set()
        await anyio.wait_all_tasks_blocked()
        assert inside == ["b"]
        leave["b"].set()
        await anyio.wait_all_tasks_blocked()
        assert inside == ["d"], "who wants more than there is gets all of it"
        leave["d"].set()


async def test_who_gives_up_waiting_is_in_nobodys_way() -> None:
    room = Room(10)
    async with room.hold(10), anyio.create_task_group() as group:
        for _ in range(2):
            with anyio.move_on_after(0):
                async with room.hold(5):
                    raise AssertionError("there is no room")
        group.cancel_scope.cancel()
    with anyio.fail_after(20):
        async with room.hold(10):
            pass


@settings(max_examples=50)
@given(size=st.integers(0, 1 << 31), lines=st.integers(1, 500_000))
@example(size=1 << 31, lines=500_000)
def test_two_files_of_the_usual_limits_are_checked_at_a_time(size: int, lines: int) -> None:
    assert 0 < check_bytes(size, most_lines=lines) <= CHECK_BYTES // 2
    assert check_bytes(size, most_lines=lines) <= check_bytes(size + 1, most_lines=lines + 1)
