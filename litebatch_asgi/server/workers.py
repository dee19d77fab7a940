"""Several worker processes on one socket: started, watched, replaced, stopped."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

logger: logging.Logger = logging.getLogger(__name__)

CLOSE_SECONDS = 40
"""How long a worker may take to end once its requests have; then it is killed."""
PAUSE_SECONDS = 1.0
"""How long it takes at least until a worker that could not start is tried again."""


class Workers(Multiprocess):
    """uvicorn's supervisor, which tells what becomes of each worker, and gives none up.

    Where a worker cannot start again, for the database is away just then, the others go on and it is tried
    until it can. `stopping` is called once they are to stop; from then on a signal ends all of them at once.
    """

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, *, stopping: Callable[[], None]
    ) -> None:
        super().__init__(config, [listener])
        self._stopping = stopping

    def init_processes(self) -> None:
        """Start all of them."""
        for _ in range(self.processes_num):
            self.processes.append(self._started())

    def keep_subprocess_alive(self) -> None:
        """Replace those that have died, or do not answer."""
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.process.join()
            told = {"worker": process.pid, "exit_code": process.exitcode}
            logger.warning("a worker has died and is replaced", extra=told)
            if process.exitcode != -signal.SIGKILL:
                self.should_exit.wait(PAUSE_SECONDS)
            self.processes[index] = self._started()

    def terminate_all(self) -> None:
        """Tell all to stop; from here on connections are refused."""
        self._stopping()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end_at_once)
        super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def join_all(self) -> None:
        """Wait until all have ended; what takes too long is killed."""
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + CLOSE_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                logger.warning("a worker does not end and is killed", extra={"worker": process.pid})
                process.kill()
                process.process.join()
            logger.info("worker ended", extra={"worker": process.pid, "exit_code": process.exitcode})

    def _end_at_once(self, number: int, _: object) -> None:
        for process in self.processes:
            process.process.kill()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _started(self) -> Process:
        process = Process(self.config, self.sockets)
        # until the worker takes it, Ctrl-C is for this process alone: it would be a traceback there
        taken = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, taken)
        logger.info("worker started", extra={"worker": process.pid})
        return process


def end_with_parent(clear: Callable[[], None]) -> None:
    """Let this worker stop, as by SIGTERM, once the process that watches it is gone, however that ended.

    `clear` is called then, in a thread, and by each of them: it removes what the other one has left.
    """
    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        clear()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="litebatch-parent", daemon=True).start()
