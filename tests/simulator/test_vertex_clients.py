"""Google's own client in front of the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2 import service_account

from litebatch_asgi.simulator import Account, Simulator

from .vertex import BUCKET, MODEL, TEN, listed, upload, vertex_http

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def client(address: str, simulator: Simulator, account: Account) -> AsyncIterator[genai.Client]:
    info = await simulator.service_account(address, "east", "my-project")
    credentials: Any = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        info, scopes=SCOPES
    )
    client = genai.Client(
        vertexai=True,
        project="my-project",
        location="europe-west4",
        credentials=credentials,
        http_options=types.HttpOptions(base_url=f"{address}/east/", client_args={"verify": False}),
    )
    yield client
    await asyncio.to_thread(client.close)


async def test_googles_client_goes_through_a_job(
    address: str, client: genai.Client, simulator: Simulator, account: Account
) -> None:
    async with vertex_http(address, account) as http:
        await upload(http, TEN)
        source = f"gs://{BUCKET}/in/a.jsonl"
        made = await asyncio.to_thread(
            client.batches.create,
            model="gemini-2.5-flash",
            src=source,
            config=types.CreateBatchJobConfig(display_name="a job", dest=f"gs://{BUCKET}/out/2"),
        )
        assert made.state == types.JobState.JOB_STATE_PENDING
        assert made.name is not None
        await account.reached(made.name)
        ended = await asyncio.to_thread(client.batches.get, name=made.name)
        assert (ended.state, ended.display_name, ended.model) == (
            types.JobState.JOB_STATE_SUCCEEDED,
            "a job",
            MODEL,
        )
        assert ended.src is not None
        assert ended.src.gcs_uri == [source]
        assert ended.dest is not None
        assert ended.dest.gcs_uri == f"gs://{BUCKET}/out/2"
        assert ended.end_time is not None
        (found,) = await asyncio.to_thread(lambda: list(client.batches.list()))
        assert found.name == made.name
        with pytest.raises(errors.ClientError) as refused:
            await asyncio.to_thread(client.batches.cancel, name=made.name)
        assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")
        assert (await asyncio.to_thread(client.batches.delete, name=made.name)).done is True
        assert account.batches == {}
        assert len(await listed(http, "out/2/")) == 1
    assert simulator.journal.counts()["issue_token"] == 1
