"""Room that several share, in turns of their owners."""

from __future__ import annotations

from collections import Counter

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from hypothesis import example, given, settings
from hypothesis import strategies as st

from litebatch_asgi.files.room import CHECK_BYTES, Room, check_bytes


class Entrance:
    """Lets parts be asked for and given back, one after the other; they are called by their owners."""

    def __init__(self, room: Room, group: TaskGroup) -> None:
        self._room = room
        self._group = group
        self._leave: dict[str, anyio.Event] = {}
        self.inside: list[str] = []

    async def ask(self, name: str, amount: int) -> None:
        self._leave[name] = anyio.Event()
        self._group.start_soon(self._hold, name, amount)
        await anyio.wait_all_tasks_blocked()

    async def leave(self, *names: str) -> None:
        for name in names:
            self._leave[name].set()
        await anyio.wait_all_tasks_blocked()

    async def _hold(self, name: str, amount: int) -> None:
        async with self._room.hold(amount, name[0]):
            self.inside.append(name)
            await self._leave[name].wait()
        self.inside.remove(name)


async def test_who_came_first_is_let_in_first() -> None:
    async with anyio.create_task_group() as group:
        entrance = Entrance(Room(10), group)
        for name, amount in (("a", 6), ("b", 6), ("c", 4), ("d", 99)):
            await entrance.ask(name, amount)
        assert entrance.inside == ["a"], "c waits for b, which came before"
        await entrance.leave("a")
        assert entrance.inside == ["b", "c"]
        await entrance.leave("c")
        assert entrance.inside == ["b"]
        await entrance.leave("b")
        assert entrance.inside == ["d"], "who wants more than there is gets all of it"
        await entrance.leave("d")


async def test_who_brings_much_keeps_nobody_else_waiting() -> None:
    async with anyio.create_task_group() as group:
        entrance = Entrance(Room(12), group)
        for number in range(4):
            await entrance.ask(f"a{number}", 5)
        assert entrance.inside == ["a0"], "two of them would be more than three quarters"
        await entrance.ask("b0", 5)
        await entrance.ask("b1", 1)
        assert entrance.inside == ["a0", "b0", "b1"]
        await entrance.ask("c0", 5)
        await entrance.leave("b0")
        assert entrance.inside == ["a0", "b1", "c0"]
        await entrance.leave("a0", "c0", "b1")
        assert entrance.inside == ["a1"]
        for number in range(1, 4):
            await entrance.leave(f"a{number}")


async def test_who_waits_for_much_is_passed_by_nobody_who_has_as_little() -> None:
    async with anyio.create_task_group() as group:
        entrance = Entrance(Room(12), group)
        await entrance.ask("a0", 8)
        await entrance.ask("b0", 12)
        for name in ("a1", "c0", "d0"):
            await entrance.ask(name, 1)
        assert entrance.inside == ["a0"]
        await entrance.leave("a0")
        assert entrance.inside == ["b0"]
        await entrance.leave("b0")
        assert sorted(entrance.inside) == ["a1", "c0", "d0"]
        await entrance.leave("a1", "c0", "d0")


@settings(max_examples=50)
@given(asked=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 15)), max_size=12))
async def test_everybody_gets_in_and_nobody_has_too_much(asked: list[tuple[str, int]]) -> None:
    room, inside, entered = Room(10), Counter[str](), 0

    async def hold(owner: str, amount: int) -> None:
        nonlocal entered
        amount_held = min(amount, 10)
        async with room.hold(amount, owner):
            assert not inside[owner] or inside[owner] + amount_held <= 7
            inside[owner] += amount_held
            assert inside.total() <= 10
            entered += 1
            await anyio.lowlevel.checkpoint()
            inside[owner] -= amount_held

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for owner, amount in asked:
                group.start_soon(hold, owner, amount)
    assert entered == len(asked)


async def test_who_gives_up_waiting_is_in_nobodys_way() -> None:
    room = Room(10)
    async with room.hold(10, "a"), anyio.create_task_group() as group:
        for _ in range(2):
            with anyio.move_on_after(0):
                async with room.hold(5, "b"):
                    raise AssertionError("there is no room")
        group.cancel_scope.cancel()
    with anyio.fail_after(20):
        async with room.hold(10, "a"):
            pass


@settings(max_examples=50)
@given(size=st.integers(0, 1 << 31), lines=st.integers(1, 500_000))
@example(size=1 << 31, lines=500_000)
def test_two_files_of_the_usual_limits_are_checked_at_a_time(size: int, lines: int) -> None:
    assert 0 < check_bytes(size, most_lines=lines) <= CHECK_BYTES // 2
    assert check_bytes(size, most_lines=lines) <= check_bytes(size + 1, most_lines=lines + 1)
