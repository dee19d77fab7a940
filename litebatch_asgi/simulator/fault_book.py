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
        self._of_lines: dict[str, ArmedFault] = {}
        self._added = 0

    @property
    def is_empty(self) -> bool:
        """Whether no fault was added that is not removed."""
        return not self._armed

    def add(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force."""
        self._added += 1
        armed = ArmedFault(f"fault-{self._added}", fault)
        self._armed[armed.key] = armed
        return armed

    def of_line(self, key: str, fault: Fault) -> ArmedFault:
        """The fault that a line orders for itself, in force from its first coming; `key` is the line's."""
        if key not in self._of_lines:
            self._of_lines[key] = ArmedFault(key, fault)
        return self._of_lines[key]

    def remove(self, key: str | None = None) -> int:
        """Remove one fault, or all; calls that it holds up go on. Returns how many were removed.

        A line whose fault is removed orders it in vain from then on.
        """
        removed = [each for each in self.all() if key in (None, each.key)]
        for each in removed:
            self._armed.pop(each.key, None)
            each.remove()
        self._wakeup.notify()
        return len(removed)

    def clear(self) -> None:
        """Remove all, and forget what lines ordered."""
        self.remove()
        self._of_lines.clear()

    def all(self) -> list[ArmedFault]:
        """All that were added and not removed, spent ones included; last those that lines have ordered."""
        return [*self._armed.values(), *(each for each in self._of_lines.values() if not each.removed)]

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
            if _fits(fault, call, account) and _matches(fault, marks) and self.strikes(armed):
                return armed
        return None

    def present(self, account: str, objects: Sequence[M]) -> Sequence[M]:
        """Those of `objects` that have not vanished from the list that is asked for."""
        for armed in self._armed.values():
            if not armed.fault.vanish or not _fits(armed.fault, "list_batches", account):
                continue
            left = [each for each in objects if not _matches(armed.fault, each.marks())]
            if len(left) < len(objects) and self.strikes(armed):
                objects = left
        return objects

    def garbled(self, call: CallName, account: str, shown: Sequence[Marked]) -> list[Garble | None]:
        """How each of the objects is garbled that the answer to this call shows."""
        hows: list[Garble | None] = [None] * len(shown)
        for armed in self._armed.values():
            if armed.fault.garbled is None or call not in SHOWING or not _fits(armed.fault, call, account):
                continue
            chosen = [index for index, each in enumerate(shown) if _matches(armed.fault, each.marks())]
            if chosen and self.strikes(armed):
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

    def strikes(self, armed: ArmedFault) -> bool:
        """Count a call that fits a fault; whether it is in force for that."""
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
