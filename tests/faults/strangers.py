"""What others have at the accounts of a gateway: half of it comes from another installation of ours."""

from __future__ import annotations

from typing import Any

import httpx2

from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.simulator import Account
from tests.faults.tags import mark_of
from tests.faults.world import CONTENT, THEIRS, at, client_of, put_file
from tests.harness import ENDPOINT, rows_of
from tests.translated.deployed import BUCKET, LOCATION, PROJECT, UPSTREAM

OTHER, THEIR_JOB = "f" * 16, f"job_lb{'0' * 26}"
THEIR_FILE = f"file-lb{'0' * 26}-{OTHER}.jsonl"
SOME = 5
"""requests of a batch that cannot be taken for one of ours by its size"""


async def settle_strangers(account: Account, provider: str) -> None:
    """Give others something at an account."""
    account.add_foreign_batches(2)
    if account.settings.flavour == "vertex":
        await _at_vertex(account, provider)
    elif account.settings.flavour == "anthropic":
        await _at_anthropic(account, provider)
    else:
        await _at_openai(account, provider)


async def _at_openai(account: Account, provider: str) -> None:
    async with client_of(account, provider, THEIRS) as http:
        for filename, metadata in (
            ("in.jsonl", {"project": THEIRS}),
            (THEIR_FILE, {TAG_INSTALLATION: OTHER, TAG_JOB: THEIR_JOB}),
        ):
            file_id = await put_file(http, filename, at(account.name))
            await account.file_reached(file_id, "processed")
            body = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
            batch = await http.post("/batches", json=body | {"metadata": metadata})
            await account.reached(batch.json()["id"], "in_progress")


async def _at_vertex(account: Account, provider: str) -> None:
    """Objects in our bucket, and jobs in our project and location."""
    account.configure(api_keys=frozenset({THEIRS}))
    text = b'{"request":{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}}\n'
    async with _client(account, provider, {"authorization": f"Bearer {THEIRS}"}) as http:
        for filename, tag in (
            ("in.jsonl", {"displayName": THEIRS}),
            (
                f"litebatch/vertex/in/20200101T000000-0/{THEIR_FILE}",
                {
                    "displayName": f"litebatch/{OTHER}/{THEIR_JOB}",
                    "labels": {TAG_INSTALLATION: OTHER, TAG_JOB: THEIR_JOB},
                },
            ),
        ):
            where = f"/upload/storage/v1/b/{BUCKET}/o"
            sent = await http.post(where, params={"uploadType": "media", "name": filename}, content=text)
            sent.raise_for_status()
            job: dict[str, Any] = {
                **tag,
                "model": f"publishers/google/models/{UPSTREAM[account.name]}",
                "inputConfig": {
                    "instancesFormat": "jsonl",
                    "gcsSource": {"uris": [f"gs://{BUCKET}/{filename}"]},
                },
                "outputConfig": {
                    "predictionsFormat": "jsonl",
                    "gcsDestination": {"outputUriPrefix": f"gs://{BUCKET}/{THEIRS}"},
                },
            }
            path = f"/v1/projects/{PROJECT}/locations/{LOCATION}/batchPredictionJobs"
            made = (await http.post(path, json=job)).raise_for_status()
            await account.reached(made.json()["name"], "in_progress")


async def _at_anthropic(account: Account, provider: str) -> None:
    """One that has as many requests as ours and has ended, and an open one that has fewer."""
    headers = {"x-api-key": THEIRS, "anthropic-version": "2023-06-01"}
    async with _client(account, provider, headers) as http:
        for count, suffix in ((len(rows_of(CONTENT)), f"_{mark_of(OTHER, THEIR_JOB)}"), (SOME, "")):
            params = {
                "model": UPSTREAM[account.name],
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "Hello"}],
            }
            requests = [{"custom_id": f"r{number}{suffix}", "params": params} for number in range(count)]
            made = (await http.post("/v1/messages/batches", json={"requests": requests})).raise_for_status()
            batch_id: str = made.json()["id"]
            if suffix:
                account.release(batch_id)
            await account.reached(batch_id, "completed" if suffix else "in_progress")


def _client(account: Account, provider: str, headers: dict[str, str]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"{provider}/{account.name}", headers=headers, verify=False)
