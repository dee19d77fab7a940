"""LiteBatch in front of a proxy that already has a `/v1` with files and chats of its own."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection

from litebatch_asgi import Deployment, LiteBatch, LiteBatchMiddleware, Principal

KEYS = {"sk-search": "team:search", "sk-ads": "team:ads"}
PROVIDER = os.environ["PROVIDER_BASE"]
PROVIDER_KEY = os.environ["PROVIDER_KEY"]


async def who(connection: HTTPConnection) -> Principal | None:
    """Who is calling; None: nobody we know, so that the proxy itself may answer."""
    token = connection.headers.get("authorization", "").removeprefix("Bearer ")
    owner = KEYS.get(token)
    return Principal(owner=owner, key_id=token[-4:]) if owner else None


litebatch = LiteBatch(
    deployments=[
        Deployment(
            model_name="gpt-4o-batch",
            model="openai/gpt-4o-mini",
            api_base=PROVIDER,
            api_key=PROVIDER_KEY,
        )
    ],
    storage=f"sqlite:///{os.environ['DATABASE']}",
    authenticator=who,
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """The proxy's own; the middleware enters that of LiteBatch around it."""
    async with httpx2.AsyncClient(timeout=600) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(LiteBatchMiddleware, litebatch=litebatch, prefix="/v1")


@app.get("/v1/models")
async def models(request: Request) -> dict[str, object]:
    """The proxy's models, and those for managed batches."""
    principal = await who(request)
    managed = litebatch.models(principal) if principal else []
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in ["gpt-4o", *managed]]}


@app.post("/v1/chat/completions")
@app.api_route("/v1/files", methods=["GET", "POST"])
@app.api_route("/v1/files/{path:path}", methods=["GET", "DELETE"])
@app.api_route("/v1/batches", methods=["GET", "POST"])
@app.api_route("/v1/batches/{path:path}", methods=["GET", "POST"])
async def forward(request: Request) -> StreamingResponse:
    """Everything else goes to the provider with the proxy's key, and back, streamed both ways."""
    if await who(request) is None:
        raise HTTPException(401)
    client: httpx2.AsyncClient = request.app.state.client
    headers = {name: request.headers[name] for name in ("content-type", "accept") if name in request.headers}
    headers["authorization"] = f"Bearer {PROVIDER_KEY}"
    outgoing = client.build_request(
        request.method,
        PROVIDER + request.url.path.removeprefix("/v1"),
        params=request.url.query,
        headers=headers,
        content=request.stream(),
    )
    answer = await client.send(outgoing, stream=True)
    return StreamingResponse(
        answer.aiter_bytes(),
        status_code=answer.status_code,
        media_type=answer.headers.get("content-type"),
        background=BackgroundTask(answer.aclose),
    )
