"""`POST /uploads`: the virtual models that it names say whose the upload is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from starlette.applications import Starlette
from starlette.types import Scope

from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.routes.endpoint import MAX_JSON_BYTES
from tests.harness import MODEL, lines, running_gateway
from tests.http.sockets import served
from tests.middleware.stage import ALICE, Front, body_messages, http_scope

NAMES = b"x-litebatch-target-model-names"


def creation(**more: Any) -> bytes:
    values = {"filename": "in.jsonl", "purpose": "batch", "bytes": 9, "mime_type": "text/jsonl"}
    return json.dumps(values | more).encode()


UNMANAGED = {
    "no names": creation(),
    "empty names": creation(target_model_names=" , "),
    "names of no kind": creation(target_model_names={"a": 1}),
    "names elsewhere": creation(expires_after={"target_model_names": "m"}),
    "no object": b"[]",
    "no json": creation(target_model_names=MODEL)[:-1],
    "deep json": b"[" * 100_000,
    "nothing": b"",
    "too large": creation(target_model_names=MODEL, filename="x" * MAX_JSON_BYTES),
}
MANAGED: dict[str, tuple[bytes, str, list[tuple[bytes, bytes]]]] = {
    "a text": (creation(target_model_names=MODEL), "", []),
    "a list": (creation(target_model_names=["", MODEL]), "", []),
    "another spelling": (creation(**{"target_model_names[]": [MODEL]}), "", []),
    "in the query": (creation(), f"?target_model_names={MODEL}", []),
    "in a header": (creation(), "", [(NAMES, MODEL.encode())]),
}


@pytest.mark.parametrize("kind", UNMANAGED)
async def test_what_is_not_managed_reaches_the_app_behind_unchanged(front: Front, kind: str) -> None:
    answer = await front.ask(http_scope("POST", "/v1/uploads?a=b"), *body_messages(UNMANAGED[kind], 1000))
    (seen,) = front.recorder.seen
    assert (seen.body, seen.ends) == (UNMANAGED[kind], ["whole"])
    assert answer.is_inner


@pytest.mark.parametrize("kind", MANAGED)
async def test_what_is_managed_is_answered_here(front: Front, kind: str) -> None:
    body, query, headers = MANAGED[kind]
    scope = http_scope("POST", f"/v1/uploads{query}")
    ours: Scope = {**scope, "headers": [*ALICE, *headers]}
    answer = await front.ask(ours, *body_messages(body, 20))
    assert (answer.status, answer.is_inner) == (200, False)
    stranger: Scope = {**scope, "headers": headers}
    assert (await front.ask(stranger, *body_messages(body, 20))).is_inner
    assert front.recorder.seen[0].body == body


async def test_the_stock_client_sends_a_file_in_parts(tmp_path: Path) -> None:
    """Which says in a header what it is for."""
    content = lines(20)
    async with running_gateway(tmp_path) as gateway:
        app = LiteBatchMiddleware(Starlette(), litebatch=gateway.litebatch)
        async with (
            served(app) as address,
            AsyncOpenAI(
                base_url=f"{address}/v1",
                api_key="alice",
                default_headers={NAMES.decode(): MODEL},
                http_client=DefaultAsyncHttpxClient(verify=False),
            ) as client,
        ):
            upload = await client.uploads.upload_file_chunked(
                file=content,
                filename="in.jsonl",
                bytes=len(content),
                mime_type="text/jsonl",
                purpose="batch",
                part_size=1000,
            )
            assert upload.file is not None
            assert (await client.files.content(upload.file.id)).content == content
