"""The faults in force, and which of them a call runs into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .faults import LOOKS_AT_BATCHES, OF_THE_PROVIDER, SHOWING, ArmedFault, CallName, Fault
from .garbled import Garble
from .wakeup import Wakeup


class Marked(Protocol):
    """What a fault can be meant for."""

    def marks(self) -> list[str]:
        """What the `match` of a fault is looked for in."""
        ...


M = TypeVar("M", bound=Marked)


class FaultBook:
    """The faults in force, in the order in which they were added."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._armed: dict[str, ArmedFault] = {}
        self._added = 0

    def add(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force."""
        self._added += 1
        armed = ArmedFault(f"fault-{self._added}", fault)
        self._armed[armed.key] = armed
        return armed

    def remove(self, key: str | None = None) -> int:
        """Remove one fault, or all; calls that it holds up go on. Returns how many were removed."""
        keys = list(self._armed) if key is None else [key] if key in self._armed else []
        for each in keys:
            self._armed.pop(each).remove()
        self._wakeup.notify()
        return len(keys)

    def all(self) -> list[ArmedFault]:
        """All that were added and not removed, spent ones included."""
        return list(self._armed.values())

    def strike(
        self,
        call: CallName,
        account: str,
        marks: Sequence[str],
        *,
        early: bool = False,
        page: int | None = None,
        model: str | None = None,
        age: float | None = None,
    ) -> ArmedFault | None:
        """The fault that this call runs into, counted as struck; `marks` are what `match` looks at.

        `model` is that of the batch that is there, `age` the seconds since the file was made.
        """
        for armed in self._armed.values():
            fault = armed.fault
            if early != fault.strikes_early or fault.page not in (None, page):
                continue
            if fault.model not in (None, model) or not _is_young(fault, age):
                continue
            if fault.garbled is not None or (fault.vanish and call not in LOOKS_AT_BATCHES):
                continue
            if _fits(fault, call, account) and _matches(fault, marks) and self._strikes(armed):
                return armed
        return None

    def present(self, account: str, objects: Sequence[M]) -> Sequence[M]:
        """Those of `objects` that have not vanished from the list that is asked for."""
        for armed in self._armed.values():
            if not armed.fault.vanish or not _fits(armed.fault, "list_batches", account):
                continue
            left = [each for each in objects if not _matches(armed.fault, each.marks())]
            if len(left) < len(objects) and self._strikes(armed):
                objects = left
        return objects

    def garbled(self, call: CallName, account: str, shown: Sequence[Marked]) -> list[Garble | None]:
        """How each of the objects is garbled that the answer to this call shows."""
        hows: list[Garble | None] = [None] * len(shown)
        for armed in self._armed.values():
            if armed.fault.garbled is None or call not in SHOWING or not _fits(armed.fault, call, account):
                continue
            chosen = [index for index, each in enumerate(shown) if _matches(armed.fault, each.marks())]
            if chosen and self._strikes(armed):
                for index in chosen:
                    hows[index] = armed.fault.garbled
        return hows

    async def wait(self, armed: ArmedFault, interrupted: Callable[[], bool]) -> None:
        """Wait for as long as the fault says, unless something interrupts it, which must notify."""
        if armed.fault.delay:
            await self._wakeup.until_or(interrupted, armed.fault.delay)
        if armed.fault.stall:
            await self._wakeup.until(lambda: armed.removed or interrupted())

    async def pause(self, armed: ArmedFault, interrupted: Callable[[], bool], seconds: float) -> None:
        """Wait for `seconds`, unless the fault is removed or something interrupts it, which must notify."""
        if seconds > 0:
            await self._wakeup.until_or(lambda: armed.removed or interrupted(), seconds)

    def _strikes(self, armed: ArmedFault) -> bool:
        """Count a call that fits; whether the fault is in force for it."""
        if armed.spent:
            return False
        armed.fitted += 1
        if armed.fitted <= armed.fault.skip:
            return False
        armed.struck += 1
        self._wakeup.notify()
        return True


def _fits(fault: Fault, call: CallName, account: str) -> bool:
    if fault.call != call and (fault.call is not None or call in OF_THE_PROVIDER):
        return False
    return fault.account in (None, account)


def _is_young(fault: Fault, age: float | None) -> bool:
    return fault.younger_than is None or (age is not None and age < fault.younger_than)


def _matches(fault: Fault, marks: Sequence[str]) -> bool:
    return fault.match is None or any(fault.match in mark for mark in marks)


def marks_of(metadata: dict[str, str] | None) -> list[str]:
    """Keys and values of a batch's metadata, as `Fault.match` looks at them."""
    return [text for pair in (metadata or {}).items() for text in pair]
