"""What may go wrong between a content store and the rows that say what is in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
from msgspec.structs import replace
from openai import InternalServerError

from litebatch_asgi.failpoints import InjectedFault, armed
from litebatch_asgi.files.discarding import Discarder
from litebatch_asgi.models import Settings
from tests.harness import PATIENCE_SECONDS, QUICK, running_gateway


def keeping_originals(folder: Path) -> Settings:
    """Settings that keep them in a folder."""
    contents = folder / "contents"
    contents.mkdir(parents=True)
    return replace(QUICK, content_store=contents.as_uri(), keep_originals="always", lease_seconds=1.0)


async def death_while_discarding(folder: Path) -> list[str]:
    """Whoever deletes a content dies before its bytes are gone; another one goes on."""
    settings = keeping_originals(folder)
    async with running_gateway(folder, settings=settings, reconciler=False) as gateway:
        file = await gateway.upload()
        await gateway.client().files.delete(file.id)
        discarder = Discarder(gateway.litebatch.files._runtime)  # pyright: ignore[reportPrivateUsage]
        with armed("content.discarding=raise"), suppress(InjectedFault):
            await discarder.step()
        with anyio.fail_after(PATIENCE_SECONDS):
            while await gateway.database.rows("SELECT 1 FROM contents"):
                await discarder.step()
                await anyio.sleep(0.1)
    left = [path.name for path in (folder / "contents").iterdir()]
    return [f"bytes that nothing names: {left}"] if left else []


async def store_that_fails(folder: Path) -> list[str]:
    """The folder is away while a file is uploaded whose original is to be kept."""
    settings = keeping_originals(folder)
    async with running_gateway(folder, settings=settings) as gateway:
        (folder / "contents").rmdir()
        with suppress(InternalServerError):
            file = await gateway.upload()
            return [f"{file.id} is accepted, and kept nowhere"]
    return []
