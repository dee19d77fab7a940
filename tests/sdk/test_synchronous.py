"""The loop of the synchronous twins: who shares it, when it ends, what interrupts and forks do to it."""

from __future__ import annotations

import inspect
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import assert_type

import anyio.to_thread
import pytest

import litebatch_asgi.sdk as sdk
from litebatch_asgi.sdk.synchronous import synchronous
from litebatch_asgi.simulator import Simulator
from tests.harness import lines

TWINS = [name for name in sdk.__all__ if name.startswith("a") and name[1:] in sdk.__all__]


@pytest.mark.parametrize("name", TWINS)
def test_twins_take_the_same(name: str) -> None:
    asynchronous, twin = getattr(sdk, name), getattr(sdk, name[1:])
    assert inspect.signature(twin) == inspect.signature(asynchronous)
    assert (twin.__name__, twin.__doc__) == (name[1:], asynchronous.__doc__)
    assert inspect.iscoroutinefunction(asynchronous)
    assert not inspect.iscoroutinefunction(twin)


def test_every_function_has_a_twin() -> None:
    assert len(TWINS) == 9


def _loops() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "portal" in thread.name]


def _create(number: int) -> sdk.FileObject:
    return sdk.create_file(file=(f"{number}.jsonl", lines(1)), purpose="batch")


async def test_calls_of_many_threads_share_a_loop_that_ends_with_the_last(
    address: str, simulator: Simulator
) -> None:
    def many() -> set[str]:
        with ThreadPoolExecutor(8) as threads:
            return {file.id for file in threads.map(_create, range(24))}

    assert len(await anyio.to_thread.run_sync(many)) == 24
    assert _loops() == []


def test_calls_at_the_same_time_run_on_one_loop() -> None:
    together = threading.Barrier(3)

    async def which() -> int:
        await anyio.to_thread.run_sync(together.wait)
        return id(anyio.lowlevel.current_token().native_token)

    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(synchronous(which)) for _ in range(3)]
        assert len({call.result() for call in calls}) == 1


def test_an_interrupt_cancels_the_call() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        except BaseException as exc:
            ended.append(type(exc).__name__)
            raise

    with pytest.raises(KeyboardInterrupt):
        synchronous(endless)()
    assert ended == ["CancelledError"]
    assert _loops() == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_a_loop_of_its_own() -> None:
    """Also where another thread's call is under way at the fork, whose loop is not there in the child."""
    begun, go_on = threading.Event(), threading.Event()

    async def under_way() -> None:
        begun.set()
        await anyio.to_thread.run_sync(go_on.wait)

    async def seven() -> int:
        return 7

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(synchronous(under_way))
        begun.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(synchronous(seven)())
        _, status = os.waitpid(child, 0)
        go_on.set()
        other.result()
    assert os.waitstatus_to_exitcode(status) == 7


async def typed() -> None:
    """Never run: the type checkers read it."""
    assert_type(sdk.create_file(file=b"", purpose="batch"), sdk.FileObject)
    assert_type(await sdk.acreate_file(file=b"", purpose="batch"), sdk.FileObject)
    assert_type(sdk.list_batches(limit=2, api_key="k"), sdk.BatchPage)
    assert_type([batch.id for batch in sdk.list_batches()], list[str])
    assert_type(sdk.file_content("file-1").content, bytes)
    partial(sdk.retrieve_batch, "batch_1", custom_llm_provider="azure")
