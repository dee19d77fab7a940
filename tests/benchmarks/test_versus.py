"""Our gateway beside another one, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from benchmarks import bench_versus
from benchmarks._content import Content
from benchmarks._remote import Remote
from tests.harness import MODEL, InProcess, running_gateway

OURS, OTHER = "alice", "bob"


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[InProcess]:
    """A second gateway."""
    folder = tmp_path / "other"
    folder.mkdir()
    async with running_gateway(folder, names=["east"]) as running:
        yield running


async def test_both_are_asked_for_the_same_and_nothing_stays_at_the_other(
    gateway: InProcess, other: InProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = Remote(gateway.address, OURS, MODEL), Remote(f"{other.address}/v1/", OTHER, MODEL)
    compare = partial(bench_versus.compare, ours, theirs, MODEL, rounds=2, lines=20)
    await anyio.to_thread.run_sync(compare)
    shown = capsys.readouterr().out
    for what in ("create of a batch", "GET of a batch", "list of batches", "upload of 0.1 MB"):
        for which in (", ours ", ", the other ", ": how many times as fast "):
            assert f"  {what}{which}" in shown
    for remote, running, owner in ((ours, gateway, OURS), (theirs, other, OTHER)):
        uploaded = [file async for file in running.client(owner).files.list(purpose="batch")]
        assert {file.id for file in uploaded} == set(remote.files)
        assert sorted(file.bytes for file in uploaded) == [4000, 80_000, 80_000]
        made = [batch.id async for batch in running.client(owner).batches.list()]
        assert sorted(made) == sorted(remote.batches)
        assert len(made) == 1 + 2 * 3

    assert await anyio.to_thread.run_sync(theirs.clean_up) == 0
    for batch_id in theirs.batches:
        assert (await other.ended(batch_id, key=OTHER)).status in ("completed", "cancelled")
    kept = {file.id async for file in other.client(OTHER).files.list()}
    assert not kept & set(theirs.files)


async def test_a_refusal_says_who_refused_and_why(other: InProcess) -> None:
    remote = Remote(other.address, f"{OTHER}:another-model", MODEL)

    def upload() -> None:
        with remote.connected():
            remote.upload(Content(lines=1, line_bytes=400, model=MODEL))

    with pytest.raises(RuntimeError, match=r"^POST /files at 127\.0\.0\.1:\d+: 40\d "):
        await anyio.to_thread.run_sync(upload)


@pytest.mark.parametrize("url", ["", "127.0.0.1:4000", "ftp://127.0.0.1", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a gateway"):
        Remote(url, "any", MODEL)
