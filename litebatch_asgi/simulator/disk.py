"""Where the bytes of all accounts lie, and the threads that touch them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

NOT_OPEN = "the simulator is not running: enter running(), or the lifespan of its app"


class Disk:
    """A folder and a few threads of our own, between `open` and `close`.

    A folder that was handed in is left as it is on `close`; a temporary one is removed. All methods raise
    RuntimeError outside of that time.
    """

    def __init__(self, directory: Path | None) -> None:
        self._given = directory
        self._opened: _Opened | None = None
        self.stop: threading.Event = threading.Event()
        """set when long work should leave off"""

    async def open(self) -> None:
        """Make the folder."""
        self.stop.clear()
        self._opened = _Opened(await asyncio.to_thread(self._make_directory))

    async def close(self) -> None:
        """Stop the threads, having waited for them, and remove what is ours to remove."""
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        self.stop.set()
        await asyncio.to_thread(opened.shutdown)
        if self._given is None:
            await asyncio.to_thread(shutil.rmtree, opened.directory, True)

    def path(self, name: str) -> Path:
        """The place of the file called `name`."""
        return self._open().directory / name

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, called in a thread: a step of reading or writing."""
        call = partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._open().steps, call)

    async def work(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for work that takes long, so that it is in the way of no step."""
        call = partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._open().runs, call)

    def _open(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError(NOT_OPEN)
        return self._opened

    def _make_directory(self) -> Path:
        if self._given is None:
            return Path(tempfile.mkdtemp(prefix="litebatch-simulator-"))
        self._given.mkdir(parents=True, exist_ok=True)
        return self._given


class _Opened:
    """What there is while the disk is open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.steps = ThreadPoolExecutor(max_workers=4, thread_name_prefix="simulator-step")
        self.runs = ThreadPoolExecutor(max_workers=2, thread_name_prefix="simulator-run")

    def shutdown(self) -> None:
        """Wait for all threads."""
        self.runs.shutdown()
        self.steps.shutdown()
