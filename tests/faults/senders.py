"""Several processes that send webhooks to one endpoint."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from msgspec.structs import replace

from litebatch_asgi import LiteBatch
from tests.harness import QUICK, running_gateway
from tests.webhooks.taking import completed, endpoint, taker

SETTINGS = replace(
    QUICK, webhook_keys=("k" * 32,), webhooks_to_private_addresses=True, delivery_retry_seconds=(0.02,)
)


async def several_senders(folder: Path) -> list[str]:
    """Let three of them tell of three batches; what came out wrong."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    async with (
        taker() as receiver,
        running_gateway(folder, settings=SETTINGS) as gateway,
        AsyncExitStack() as others,
    ):
        for _ in range(2):
            other = LiteBatch(
                deployments=list(gateway.litebatch.catalog.deployments.values()),
                storage=gateway.database.url,
                settings=gateway.litebatch.settings,
            )
            await others.enter_async_context(other.lifespan())
        receiver.slowly = 0.5
        await endpoint(gateway, receiver.url("hook"))
        for _ in range(3):
            await completed(gateway)

        async def all_are_told() -> bool:
            is_wrong = receiver.most_under_way["hook"] > 1
            return is_wrong or not await gateway.storage.webhook_queue.backlog()

        await gateway.eventually(all_are_told)
    wrong: list[str] = []
    if receiver.most_under_way["hook"] > 1:
        wrong.append(f"{receiver.most_under_way['hook']} were under way to the endpoint at a time")
    if len(receiver.taken) > 3:
        wrong.append(f"three events came {len(receiver.taken)} times")
    return wrong
