"""LiteBatch in a FastAPI gateway that has its own API keys."""

import os

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from litebatch_asgi import Deployment, LiteBatch, Principal

KEYS = {"sk-search": "team:search", "sk-ads": "team:ads"}


async def who(connection: HTTPConnection) -> Principal | None:
    """Who is calling; None: nobody we know."""
    token = connection.headers.get("authorization", "").removeprefix("Bearer ")
    owner = KEYS.get(token)
    return Principal(owner=owner, key_id=token[-4:]) if owner else None


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
    authenticator=who,
)

app = FastAPI(lifespan=litebatch.lifespan)
app.mount("/v1", litebatch.app)


@app.get("/")
async def home() -> dict[str, str]:
    """The gateway's own routes go on as ever."""
    return {"hello": "gateway"}
