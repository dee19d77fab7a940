"""Requests that name a provider, in front of an app that has such routes of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.models import Deployment
from litebatch_asgi.testing import MemoryStorage
from tests.harness import MODEL, QUICK, by_key, lines
from tests.http.forms import field, file, form
from tests.middleware.stage import ALICE, BATCH_ID, FILE_ID, NOWHERE, Front, body_messages, http_scope

PURPOSE = field("purpose", "batch")
AZURE = field("custom_llm_provider", "azure")
BEDROCK = field("custom_llm_provider", "bedrock")
DIRECT = file(lines(1, model="d"))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncGenerator[Front]:
    """One that has a managed model at OpenAI, and all models of Azure."""
    running = LiteBatch(
        deployments=[
            Deployment(model_name=MODEL, model="openai/x", api_base=NOWHERE, api_key="sk-x"),
            Deployment(model_name="azure/*", model="azure/*", api_base="http://127.0.0.1:9", api_key="sk-x"),
            Deployment(model_name="team/d", model="openai/x", api_base=NOWHERE, api_key="sk-x"),
        ],
        storage=MemoryStorage(),
        authenticator=by_key,
        settings=replace(QUICK, spool_dir=str(tmp_path)),
    )
    async with running.lifespan():
        yield Front(running)


@pytest.mark.parametrize(
    ("path", "body", "is_ours"),
    [
        ("/v1/files", form(PURPOSE, DIRECT), False),
        ("/v1/files", form(PURPOSE, AZURE, DIRECT), True),
        ("/v1/files", form(DIRECT, PURPOSE, AZURE), True),
        ("/v1/files", form(PURPOSE, BEDROCK, DIRECT), False),
        ("/v1/files", form(PURPOSE, BEDROCK, file(lines(1))), False),
        ("/v1/files", form(PURPOSE, field("custom_llm_provider", ""), file(lines(1))), True),
        ("/v1/files", form(PURPOSE, field("custom_llm_provider", "openai"), file(lines(1))), True),
        ("/v1/files", form(PURPOSE, field("custom_llm_provider", "openai"), DIRECT), False),
        ("/v1/files", form(field("purpose", "fine-tune"), AZURE, DIRECT), False),
        ("/v1/files?provider=azure", form(PURPOSE, DIRECT), True),
        ("/v1/files?custom_llm_provider=bedrock", form(PURPOSE, file(lines(1))), False),
        ("/azure/v1/files", form(PURPOSE, DIRECT), True),
        ("/team/v1/files", form(PURPOSE, DIRECT), False),
        ("/v1/files?provider=team", form(PURPOSE, DIRECT), False),
        ("/bedrock/v1/files", form(PURPOSE, file(lines(1))), False),
        ("/azure/files", form(PURPOSE, DIRECT), False),
        ("/azure/v1/files/", form(PURPOSE, DIRECT), False),
    ],
)
async def test_uploads(front: Front, path: str, body: bytes, is_ours: bool) -> None:
    """What goes to the app behind is what came."""
    channel = await front.upload(body, path)
    assert channel.is_inner != is_ours
    if is_ours:
        assert channel.status >= 500, "there is no deployment"
    else:
        (seen,) = front.recorder.seen
        assert (seen.body, seen.scope["path"]) == (body, path.partition("?")[0])
        assert not [key for key in seen.scope if key.startswith("litebatch")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/azure/v1/batches", 200),
        ("GET", "/azure/v1/files", 200),
        ("GET", "/openai/v1/batches", 200),
        ("GET", "/v1/batches?custom_llm_provider=azure", 200),
        ("GET", "/azure/v1/batches?managed=false", None),
        ("GET", "/bedrock/v1/batches", None),
        ("GET", "/team/v1/batches", None),
        ("GET", "/v1/batches?custom_llm_provider=bedrock", None),
        ("GET", f"/azure/v1/files/{FILE_ID}", 404),
        ("GET", f"/azure/v1/batches/{BATCH_ID}", 404),
        ("POST", f"/azure/v1/batches/{BATCH_ID}/cancel", 404),
        ("DELETE", f"/azure/v1/files/{FILE_ID}", 404),
        ("GET", f"/v1/batches/{BATCH_ID}?provider=azure", 404),
        ("GET", "/azure/v1/files/file-abc123", None),
        ("GET", "/azure/v1/batches/batch_abc123", None),
        ("GET", "/azure/v1/models", None),
        ("GET", "/azure/v1/spend/batches", None),
        ("GET", "/azure/v1/webhook_endpoints", None),
        ("GET", "/azure", None),
        ("PUT", "/azure/v1/files", None),
    ],
)
async def test_other_requests(front: Front, method: str, path: str, status: int | None) -> None:
    """None: it is the app behind that answers."""
    channel = await front.ask(http_scope(method, path))
    assert (None if channel.is_inner else channel.status) == status


async def test_a_header_names_it_too(front: Front) -> None:
    for provider, is_ours in ((b"azure", True), (b"bedrock", False)):
        scope = http_scope("GET", "/v1/batches", [*ALICE, (b"custom-llm-provider", provider)])
        assert (await front.ask(scope)).is_inner != is_ours


async def test_a_new_batch_below_a_provider(front: Front) -> None:
    body = f'{{"input_file_id": "{FILE_ID}", "endpoint": "/v1/embeddings", "completion_window": "24h"}}'
    ours = await front.ask(http_scope("POST", "/azure/v1/batches"), *body_messages(body.encode()))
    assert (ours.is_inner, ours.status) == (False, 404)
    theirs = body.replace(FILE_ID, "file-abc123").encode()
    assert (await front.ask(http_scope("POST", "/azure/v1/batches"), *body_messages(theirs))).is_inner
