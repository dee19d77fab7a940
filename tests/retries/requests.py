"""Creates as clients send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.harness import ENDPOINT, lines


def batch_body(file_id: str, **fields: Any) -> dict[str, Any]:
    """The body of `POST /batches`."""
    return {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h", **fields}


def client(address: str, owner: str = "alice") -> httpx2.AsyncClient:
    """A plain client."""
    return httpx2.AsyncClient(
        base_url=f"{address}/v1",
        headers={"authorization": f"Bearer {owner}"},
        timeout=30,
        verify=False,
    )


async def create(
    http: httpx2.AsyncClient, file_id: str, headers: Mapping[str, Any], **fields: Any
) -> httpx2.Response:
    """`POST /batches`."""
    return await http.post("/batches", json=batch_body(file_id, **fields), headers=dict(headers))


async def upload(
    http: httpx2.AsyncClient, headers: Mapping[str, str], content: bytes | None = None, **fields: str
) -> httpx2.Response:
    """`POST /files`."""
    return await http.post(
        "/files",
        files={"file": (fields.pop("filename", "in.jsonl"), lines() if content is None else content)},
        data={"purpose": "batch", **fields},
        headers=dict(headers),
    )


def batch_bytes(file_id: str) -> bytes:
    """The body of `POST /batches` as it is sent."""
    return json.dumps(batch_body(file_id)).encode()
