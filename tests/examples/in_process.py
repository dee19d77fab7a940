"""A proxy with an API of its own, which calls LiteBatch in process: nobody uploads a file to it."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from litebatch_asgi import Batch, Deployment, LiteBatch, Principal, RequestError

ENDPOINT = "/v1/chat/completions"
KEYS = {"sk-search": "team:search", "sk-ads": "team:ads"}

litebatch = LiteBatch(
    deployments=[
        Deployment(
            model_name="gpt-4o-batch",
            model="openai/gpt-4o-mini",
            api_base=os.environ["PROVIDER_BASE"],
            api_key=os.environ["PROVIDER_KEY"],
        )
    ],
    storage=f"sqlite:///{os.environ['DATABASE']}",
)
app = FastAPI(lifespan=litebatch.lifespan)


def caller(x_api_key: Annotated[str, Header()]) -> Principal:
    """Who is calling, by the proxy's own keys: what they make belongs to their team."""
    if x_api_key not in KEYS:
        raise HTTPException(401, "no such key")
    return Principal(owner=KEYS[x_api_key], models=frozenset({"gpt-4o-batch"}))


Caller = Annotated[Principal, Depends(caller)]


@app.exception_handler(RequestError)
def refused(request: Request, error: RequestError) -> JSONResponse:
    """LiteBatch's errors know their HTTP status, and are worded for callers."""
    return JSONResponse({"error": error.message, "code": error.code}, error.status)


def batch_lines(texts: list[str]) -> Iterator[bytes]:
    """One request for each text."""
    for number, text in enumerate(texts):
        messages = [{"role": "user", "content": f"Summarise this in a sentence: {text}"}]
        body = {"model": "gpt-4o-batch", "messages": messages}
        line = {"custom_id": str(number), "method": "POST", "url": ENDPOINT, "body": body}
        yield json.dumps(line).encode() + b"\n"


@app.post("/summaries")
async def begin(texts: list[str], principal: Caller) -> dict[str, str]:
    """Have texts summarised within a day."""
    file = await litebatch.files.create(
        principal, batch_lines(texts), filename="texts.jsonl", purpose="batch", expires_after_seconds=172_800
    )
    batch = await litebatch.batches.create(
        principal, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
    )
    return {"id": batch.id}


@app.get("/summaries")
async def latest(principal: Caller) -> list[str]:
    """The team's last ten."""
    page = await litebatch.batches.list(principal, limit=10)
    return [batch.id for batch in page.items]


@app.get("/summaries/{batch_id}")
async def progress(batch_id: str, principal: Caller) -> dict[str, str | int]:
    """How far one is."""
    batch = await litebatch.batches.retrieve(principal, batch_id)
    return {"status": batch.status, "done": batch.counts.completed, "of": batch.counts.total}


@app.delete("/summaries/{batch_id}")
async def cancel(batch_id: str, principal: Caller) -> dict[str, str]:
    """Give one up."""
    batch = await litebatch.batches.cancel(principal, batch_id)
    return {"status": batch.status}


@app.get("/summaries/{batch_id}/results")
async def results(batch_id: str, principal: Caller) -> StreamingResponse:
    """The provider's answers, a line each, as they are read."""
    batch = await litebatch.batches.retrieve(principal, batch_id)
    return StreamingResponse(rows(principal, batch), media_type="application/jsonl")


async def rows(principal: Principal, batch: Batch) -> AsyncIterator[bytes]:
    """What was answered, then what failed."""
    for file_id in (batch.output_file_id, batch.error_file_id):
        if file_id is not None:
            async for block in litebatch.files.content(principal, file_id):
                yield block
