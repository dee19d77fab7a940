"""Batches over the simulator, and what they were charged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from litebatch_asgi.models import ChargedUsage
from tests.harness import MODEL, InProcess

ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "How are you?"}]},
    "/v1/responses": {"input": "How are you?"},
    "/v1/embeddings": {"input": "How are you?"},
    "/v1/completions": {"prompt": "How are you?"},
    "/v1/moderations": {"input": "How are you?"},
    "/v1/images/generations": {"prompt": "A cat"},
}


class Charged(NamedTuple):
    """A charge, as it stands in the database."""

    model: str
    usage: ChargedUsage
    cost: str | None
    price_source: str | None


def requests(*directives: dict[str, Any] | str, endpoint: str = "/v1/chat/completions") -> bytes:
    """A batch input with one line for each directive to the simulator."""
    rows = [
        {
            "custom_id": f"request-{number}",
            "method": "POST",
            "url": endpoint,
            "body": {
                "model": MODEL,
                **ENDPOINTS[endpoint],
                "metadata": {"simulate": directive if isinstance(directive, str) else json.dumps(directive)},
            },
        }
        for number, directive in enumerate(directives)
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


async def charges_of(gateway: InProcess, batch_id: str) -> list[Charged]:
    """What a batch was charged, by model."""
    rows = await gateway.database.rows(
        "SELECT model, CAST(usage AS text), CAST(cost AS text), price_source FROM charges "
        f"WHERE batch_id = '{batch_id}' ORDER BY model"
    )
    return [
        Charged(model, msgspec.json.decode(usage, type=ChargedUsage), cost, source)
        for model, usage, cost, source in rows
    ]


async def settled(
    gateway: InProcess, *directives: dict[str, Any] | str, endpoint: str = "/v1/chat/completions"
) -> tuple[Sequence[Charged], bytes]:
    """What a batch of these requests is charged, and its output."""
    file = await gateway.upload(requests(*directives, endpoint=endpoint))
    batch = await gateway.ended((await gateway.create(file.id, endpoint=endpoint)).id)
    assert batch.status == "completed"
    return await charges_of(gateway, batch.id), (await gateway.results(batch))[0]
