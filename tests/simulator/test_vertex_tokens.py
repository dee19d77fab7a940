"""Access tokens: how a service account gets them, and what happens without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2
import pytest
from google.auth import crypt, jwt
from google.auth.transport.requests import Request as GoogleRequest
from google.oauth2 import service_account

from litebatch_asgi.simulator import Account, Fault, Simulator

from .journeys import JSON, plain_http
from .vertex import BUCKET, JOBS

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Without a token."""
    async with plain_http(base_url=f"{address}/east") as http:
        yield http


@pytest.fixture
async def info(address: str, simulator: Simulator, account: Account) -> JSON:
    return await simulator.service_account(address, "east", "my-project")


def signed(info: JSON, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": info["client_email"],
        "aud": info["token_uri"],
        "scope": SCOPE,
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    signer = crypt.RSASigner.from_service_account_info(info)  # type: ignore[no-untyped-call]
    return cast("bytes", jwt.encode(signer, claims)).decode()  # type: ignore[no-untyped-call]


async def ask(http: httpx2.AsyncClient, assertion: str, grant: str = GRANT) -> httpx2.Response:
    return await http.post("/token", data={"grant_type": grant, "assertion": assertion})


async def test_googles_client_gets_a_token(
    http: httpx2.AsyncClient, simulator: Simulator, info: JSON
) -> None:
    credentials: Any = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        info, scopes=[SCOPE]
    )
    await asyncio.to_thread(credentials.refresh, GoogleRequest())
    assert credentials.token.startswith("ya29.")
    response = await http.get(JOBS, headers={"authorization": f"Bearer {credentials.token}"})
    assert response.status_code == 200
    (entry,) = simulator.journal.select("issue_token")
    assert (entry.done, entry.request) == (True, {})
    assert info["token_uri"].endswith("/east/token")
    assert info["client_email"] == "east@my-project.iam.gserviceaccount.com"


async def test_a_token_of_one_account_is_none_of_another(
    address: str, http: httpx2.AsyncClient, simulator: Simulator, info: JSON
) -> None:
    simulator.account("west").configure(flavour="vertex")
    token = (await ask(http, signed(info))).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    async with plain_http(headers=headers) as client:
        assert (await client.get(f"{address}/east{JOBS}")).status_code == 200
        assert (await client.get(f"{address}/west{JOBS}")).status_code == 401
        # signed for the right place, by an account of another one
        assertion = signed(info, aud=f"{address}/west/token")
        fields = {"grant_type": GRANT, "assertion": assertion}
        response = await client.post(f"{address}/west/token", data=fields)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_tokens_expire(http: httpx2.AsyncClient, account: Account, info: JSON) -> None:
    told = (await ask(http, signed(info))).json()
    assert (told["expires_in"], told["token_type"]) == (3600, "Bearer")
    headers = {"authorization": f"Bearer {told['access_token']}"}
    assert (await http.get(JOBS, headers=headers)).status_code == 200
    account.tokens.expire_all()
    assert (await http.get(JOBS, headers=headers)).status_code == 401
    account.configure(token_seconds=0.0)
    told = (await ask(http, signed(info))).json()
    headers = {"authorization": f"Bearer {told['access_token']}"}
    assert (await http.get(JOBS, headers=headers)).status_code == 401


@pytest.mark.parametrize("token", [None, "ya29.unknown"])
async def test_without_a_good_token_nothing_goes(http: httpx2.AsyncClient, token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    response = await http.get(JOBS, headers=headers)
    assert (response.status_code, response.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    response = await http.get(f"/storage/v1/b/{BUCKET}/o", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, 401)


async def test_keys_may_be_settled_beforehand(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(api_keys=["ya29.static"])
    assert (await http.get(JOBS, headers={"authorization": "Bearer ya29.static"})).status_code == 200
    assert (await http.get(JOBS, headers={"authorization": "Bearer ya29.other"})).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere/token"},
        {"iss": "west@my-project.iam.gserviceaccount.com"},
        {"scope": "https://www.googleapis.com/auth/drive"},
        {"scope": ""},
        {"exp": 3_000_000_000},
        {"iat": 1_000_000_000, "exp": 1_000_003_600},
    ],
    ids=str,
)
async def test_an_assertion_that_gets_nothing(
    http: httpx2.AsyncClient, info: JSON, changes: dict[str, Any]
) -> None:
    response = await ask(http, signed(info, **changes))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_an_assertion_that_is_not_signed_by_us(http: httpx2.AsyncClient, info: JSON) -> None:
    good = signed(info)
    head, _, signature = good.rpartition(".")
    for wrong in ("", "a.b.c", head, f"{head}.{signature[:-8]}AAAAAAAA", good.replace(".", "", 1)):
        assert (await ask(http, wrong)).json()["error"] == "invalid_grant"
    response = await ask(http, good, grant="client_credentials")
    assert response.json()["error"] == "unsupported_grant_type"


async def test_a_token_endpoint_that_fails(
    http: httpx2.AsyncClient, simulator: Simulator, info: JSON
) -> None:
    simulator.add_fault(Fault(call="issue_token", status=503))
    response = await ask(http, signed(info))
    assert (response.status_code, response.json()["error"]) == (503, "internal_failure")
    assert (await ask(http, signed(info))).status_code == 200
