"""LiteBatch in a FastAPI gateway that has its own API keys."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from starlette.requests import HTTPConnection

from litebatch_asgi import Deployment, LiteBatch, Principal

TEAMS = {"sk-search": "search", "sk-ads": "ads"}


def team_of(authorization: str) -> str | None:
    """The team that a key belongs to."""
    return TEAMS.get(authorization.removeprefix("Bearer "))


def caller(authorization: Annotated[str, Header()] = "") -> str:
    """The gateway's own dependency: the team that is calling."""
    team = team_of(authorization)
    if team is None:
        raise HTTPException(401, "no such key")
    return team


async def who(connection: HTTPConnection) -> Principal | None:
    """The same for LiteBatch; None: nobody we know."""
    team = team_of(connection.headers.get("authorization", ""))
    return Principal(owner=f"team:{team}") if team else None


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


@app.get("/team")
async def team(name: Annotated[str, Depends(caller)]) -> dict[str, str]:
    """The gateway's own routes go on as ever."""
    return {"team": name}
