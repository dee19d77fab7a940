"""What the files and batches of one account share: its settings, its clock, its disk and its faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from .disk import Disk
from .fault_book import FaultBook
from .faults import CallName
from .flavours import FLAVOURS, Flavour
from .lines_run import LinesRun
from .settings import SimulatorSettings
from .validation import Examined
from .wakeup import Wakeup


class AccountContext:
    """The part of an account that its files and batches know. For one event loop."""

    def __init__(
        self,
        name: str,
        settings: SimulatorSettings,
        disk: Disk,
        wakeup: Wakeup,
        faults: FaultBook,
        lines_run: LinesRun,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.name = name
        self.disk = disk
        self.wakeup = wakeup
        self.faults = faults
        self.lines_run = lines_run
        """of all accounts"""
        self.start = start
        """lets a task run until the simulator stops"""
        self.lists_made: Counter[CallName] = Counter()
        """how often files and batches were listed"""
        self.reads_made: Counter[str] = Counter()
        """how often files were read by their ids, those whose rows are reordered"""
        self.on_change: list[Callable[[], object]] = []
        """called once the settings are others"""
        self._settings = settings

    @property
    def settings(self) -> SimulatorSettings:
        """The settings in force."""
        return self._settings

    @property
    def flavour(self) -> Flavour:
        """The ways of the provider whose account this is."""
        return FLAVOURS[self._settings.flavour]

    def now(self) -> float:
        """Unix seconds by this account's clock."""
        return time.time() + self._settings.clock_offset

    async def examine(self, path: Path, endpoint: str) -> Examined:
        """Check the lines of an input file, in a thread."""
        examination = self.flavour.examination(endpoint, self._settings, self.lines_run)
        return await self.disk.work(examination.read, path, self.disk.stop)

    async def until_changed(self, wakeup: Wakeup, holds: Callable[[], bool], seconds: float | None) -> None:
        """Return when `holds()` is true, settings have changed or `seconds` have passed; None waits for ever.

        `wakeup` must be notified of all that may change.
        """
        settings = self._settings
        await wakeup.until_or(lambda: holds() or self._settings is not settings, seconds)
