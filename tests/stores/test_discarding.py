"""Contents that nothing names: what their writers do after they were given up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.files import discarding
from litebatch_asgi.files.discarding import Discarder
from litebatch_asgi.testing import a_content
from litebatch_asgi.testing.conformance.content_stores import blocks
from tests.database import Database
from tests.harness import QUICK, running_gateway


async def test_a_writer_that_wakes_up_late_leaves_nothing_behind(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings after its content was deleted is deleted as well."""
    monkeypatch.setattr(discarding, "WATCH_FOR", timedelta(seconds=1))
    folder = tmp_path / "contents"
    folder.mkdir()
    settings = replace(QUICK, content_store=folder.as_uri())
    async with running_gateway(tmp_path, database=database, settings=settings, reconciler=False) as gateway:
        runtime = gateway.litebatch.files._runtime  # pyright: ignore[reportPrivateUsage]
        stores, contents = runtime.stores, gateway.storage.contents
        content = await contents.begin(a_content(store=stores.current), lease_seconds=0.01)
        discarder = Discarder(runtime)

        async def is_given_up() -> bool:
            await discarder.step()
            left = await contents.get(content.key)
            return left is None or left.epoch > content.epoch

        await gateway.eventually(is_given_up)
        await stores.store(content.store).put(content.key, blocks([b"late"]))
        assert [path.name for path in folder.iterdir()] == [content.key]

        async def is_gone() -> bool:
            await discarder.step()
            return await contents.get(content.key) is None

        await gateway.eventually(is_gone)
    assert list(folder.iterdir()) == []
