"""A Vertex account over plain HTTP: its uploads, its jobs, and what they leave."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx2

from litebatch_asgi.simulator import Account

from .journeys import JSON, plain_http

BUCKET = "bucket"
MODEL = "publishers/google/models/gemini-2.5-flash"
EMBEDDINGS = "publishers/google/models/gemini-embedding-001"
GRANULE = 256 * 1024
JOBS = "/v1/projects/p/locations/us-central1/batchPredictionJobs"


def vertex_http(address: str, account: Account) -> httpx2.AsyncClient:
    """Plain HTTP to an account, with a token that it gave out."""
    token = account.tokens.issue(3600)
    return plain_http(base_url=f"{address}/{account.name}", headers={"authorization": f"Bearer {token}"})


def request(text: str, **more: Any) -> JSON:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def line(custom_id: str, text: str | None = None, **more: Any) -> JSON:
    return {"custom_id": custom_id, "request": request(text or f"hello {custom_id}", **more)}


def lines(*several: JSON) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in several)


TEN = lines(*[line(f"r{number}") for number in range(10)])


def at(name: str, bucket: str = BUCKET) -> str:
    """The path of an object."""
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


async def start(http: httpx2.AsyncClient, name: str, **params: Any) -> str:
    """Begin a resumable upload; its address."""
    response = await http.post(
        f"/upload/storage/v1/b/{BUCKET}/o", params={"uploadType": "resumable", "name": name, **params}
    )
    assert response.status_code == 200, response.text
    return response.headers["location"]


async def put(
    http: httpx2.AsyncClient, location: str, content: bytes, first: int = 0, total: int | str | None = None
) -> httpx2.Response:
    """Send a chunk that begins at `first`; `total` None: the last one."""
    last = first + len(content)
    told = last if total is None else total
    header = f"bytes {first}-{last - 1}/{told}" if content else f"bytes */{told}"
    return await http.put(location, content=content, headers={"content-range": header})


async def upload(http: httpx2.AsyncClient, content: bytes, name: str = "in/a.jsonl") -> JSON:
    response = await put(http, await start(http, name), content)
    assert response.status_code == 200, response.text
    told: JSON = response.json()
    return told


def asked(name: str = "in/a.jsonl", model: str = MODEL, **more: Any) -> JSON:
    """What a create says of a job of this input."""
    return {
        "displayName": "a job",
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [f"gs://{BUCKET}/{name}"]}},
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": f"gs://{BUCKET}/out/1"},
        },
        **more,
    }


async def create(http: httpx2.AsyncClient, **more: Any) -> JSON:
    response = await http.post(JOBS, json=asked(**more))
    assert response.status_code == 200, response.text
    told: JSON = response.json()
    return told


async def job(http: httpx2.AsyncClient, name: str) -> JSON:
    response = await http.get(f"/v1/{name}")
    assert response.status_code == 200, response.text
    told: JSON = response.json()
    return told


async def finished(http: httpx2.AsyncClient, account: Account, content: bytes, **more: Any) -> JSON:
    """Upload, create, wait for the end; the job as it is then."""
    await upload(http, content)
    name = (await create(http, **more))["name"]
    await account.reached(name)
    return await job(http, name)


async def listed(http: httpx2.AsyncClient, prefix: str = "") -> list[str]:
    """The names of objects."""
    response = await http.get(f"/storage/v1/b/{BUCKET}/o", params={"prefix": prefix})
    assert response.status_code == 200, response.text
    return [each["name"] for each in response.json().get("items", [])]


async def output(http: httpx2.AsyncClient, ended: JSON) -> list[JSON]:
    """The rows of a job, in the order in which they lie there."""
    directory = ended["outputInfo"]["gcsOutputDirectory"].removeprefix(f"gs://{BUCKET}/")
    rows: list[JSON] = []
    for name in await listed(http, f"{directory}/"):
        content = (await http.get(at(name), params={"alt": "media"})).content
        rows += [json.loads(row) for row in content.splitlines()]
    return rows
