"""Copies of lines that one batch alone needs: made on demand from copies of their tile, and gone with it."""

from __future__ import annotations

from contextlib import aclosing
from itertools import compress, count

import msgspec
import pytest
from msgspec.structs import replace

from litebatch_asgi.files.on_demand import ensure_copy
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.jsonl import LineSet
from litebatch_asgi.lifetimes import OUTLIVE
from litebatch_asgi.models import BatchChange, CopyState, FileCopy, FileState, FileStatus, Shard
from litebatch_asgi.models.files import FileChange
from litebatch_asgi.runtime import Runtime
from tests.harness import MODEL, UPSTREAM, InProcess, lines

ROWS = lines(9).splitlines(keepends=True)
TAKEN = LineSet.of(9, [1, 2, 5, 8])
CONTENT = b"".join(compress(ROWS, map(TAKEN.__contains__, count()))) + b"\n"
"""of the lines that are taken; the last one has no newline in the file"""


def runtime_of(gateway: InProcess) -> Runtime:
    """What its services work with."""
    return gateway.litebatch.files._runtime  # pyright: ignore[reportPrivateUsage]


async def state_of(gateway: InProcess, file_id: str) -> FileState:
    """A file with its copies."""
    state = await gateway.storage.get_file(file_id)
    assert state is not None
    return state


async def derived(gateway: InProcess, file_id: str, batch_id: str) -> Shard:
    """A shard of a batch, with some of the lines of the file, as it is written."""
    state = await state_of(gateway, file_id)
    (tile,) = state.shards
    number = state.file.next_shard
    await gateway.storage.change_file(
        file_id, lambda current: FileChange(file=replace(current.file, next_shard=number + 1))
    )
    found = await Origin(runtime_of(gateway)).selected(state, tile, TAKEN)
    shard = Shard(
        file_id=file_id,
        shard=number,
        batch_id=batch_id,
        root=tile.shard,
        start=tile.start,
        first_line=tile.first_line,
        lines_of_root=TAKEN.to_bytes(),
        **msgspec.structs.asdict(found),
    )
    await gateway.storage.change_batch(
        batch_id, lambda current: BatchChange(batch=current.batch, new_shards=(shard,))
    )
    assert await gateway.storage.shards.get(file_id, number) == shard
    return shard


async def copied(gateway: InProcess, file_id: str, shard: Shard, where: str) -> FileCopy:
    """Wait until a deployment has a copy."""
    runtime = runtime_of(gateway)
    found: list[FileCopy] = []

    async def is_ready() -> bool:
        state = await ensure_copy(runtime, await state_of(gateway, file_id), shard, where, runtime.now())
        found[:] = [copy for copy in state.copies_of(shard.shard) if copy.deployment_id == where]
        return found[0].state is CopyState.READY

    await gateway.eventually(is_ready)
    return found[0]


async def until_gone(gateway: InProcess, copy: FileCopy) -> None:
    """Wait until the provider has a copy no more."""

    async def is_gone() -> bool:
        account = gateway.simulator.account(copy.deployment_id)
        state = await gateway.storage.get_file(copy.file_id)
        left = [each for each in state.copies if each.key == copy.key] if state is not None else []
        return copy.provider_file_id not in account.files and all(
            each.state is CopyState.DELETED for each in left
        )

    await gateway.eventually(is_gone)


async def test_lines_are_copied_while_their_batch_is_open(held_gateway: InProcess) -> None:
    gateway = held_gateway
    file = await gateway.upload(b"".join(ROWS))
    batch = await gateway.create(file.id)
    shard = await derived(gateway, file.id, batch.id)
    copy = await copied(gateway, file.id, shard, "west")
    west = gateway.simulator.account("west")
    assert copy.provider_file_id is not None
    made = west.files[copy.provider_file_id]
    assert await west.content(made.id) == CONTENT.replace(MODEL.encode(), UPSTREAM["west"].encode())
    assert made.filename.startswith(f"{file.id}-{shard.shard}-")
    assert made.expires_at is not None
    assert batch.expires_at is not None
    assert abs(made.expires_at - batch.expires_at - OUTLIVE.total_seconds()) <= 2
    state = await state_of(gateway, file.id)
    assert state.file.status is FileStatus.PROCESSED
    origin = Origin(runtime_of(gateway))
    async with aclosing(origin.shard_blocks(state, shard)) as blocks:
        assert b"".join([block async for block in blocks]) == CONTENT
    assert await gateway.content(file.id) == b"".join(ROWS)
    for account in gateway.simulator.accounts.values():
        account.release()
    assert (await gateway.ended(batch.id)).status == "completed"
    await until_gone(gateway, copy)
    assert [each.state for each in (await state_of(gateway, file.id)).copies_of(0)] == [CopyState.READY] * 2


@pytest.mark.parametrize("deleted_first", [True, False])
async def test_lines_of_a_deleted_file_are_copied_for_a_batch_that_goes_on(
    held_gateway: InProcess, deleted_first: bool
) -> None:
    gateway = held_gateway
    file = await gateway.upload(b"".join(ROWS))
    batch = await gateway.create(file.id)
    shard = await derived(gateway, file.id, batch.id)
    copy = None if deleted_first else await copied(gateway, file.id, shard, "west")
    await gateway.client().files.delete(file.id)
    if copy is None:
        copy = await copied(gateway, file.id, shard, "west")
    west = gateway.simulator.account("west")
    assert copy.provider_file_id in west.files
    for account in gateway.simulator.accounts.values():
        account.release()
    assert (await gateway.ended(batch.id)).status == "completed"
    await until_gone(gateway, copy)

    async def is_forgotten() -> bool:
        return await gateway.storage.get_file(file.id) is None

    await gateway.eventually(is_forgotten)
    assert gateway.provider_files("east") == gateway.provider_files("west") == []


async def test_what_was_given_up_in_the_meantime_is_sent_again(held_gateway: InProcess) -> None:
    """A file is deleted when a copy of lines was asked for and not sent yet."""
    gateway = held_gateway
    file = await gateway.upload(b"".join(ROWS))
    batch = await gateway.create(file.id)
    shard = await derived(gateway, file.id, batch.id)
    runtime = runtime_of(gateway)
    before = await state_of(gateway, file.id)
    runtime.fleet.cool_down("west", 0.5)
    await ensure_copy(runtime, before, shard, "west", runtime.now())
    await gateway.client().files.delete(file.id)
    copy = await copied(gateway, file.id, shard, "west")
    assert copy.provider_file_id in gateway.simulator.account("west").files
