"""Who may manage keys, users and teams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import SQLiteDatabase

ROUTES = [
    *(
        ("POST", f"/key/{verb}")
        for verb in ("generate", "update", "regenerate", "block", "unblock", "delete")
    ),
    ("POST", "/key/sk-of-somebody-who-may-be-there/regenerate"),
    *(("POST", f"/team/{verb}") for verb in ("new", "update", "block", "unblock", "delete")),
    *(("POST", f"/user/{verb}") for verb in ("new", "update", "block", "unblock", "delete")),
    *(("GET", f"/{kind}/list") for kind in ("key", "team", "user")),
    *(("GET", f"/{kind}/info?{kind}_id=x&key=x") for kind in ("key", "team", "user")),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_admins_may(shared: Standalone, method: str, path: str) -> None:
    blocked = await shared.new_key(blocked=True)
    for key, status, code in (
        ("sk-garbage-that-nobody-was-ever-given", 401, "invalid_api_key"),
        (MASTER + "x", 401, "invalid_api_key"),
        (MASTER[:-1], 401, "invalid_api_key"),
        (blocked, 401, "invalid_api_key"),
        (await shared.new_key(), 403, "permission_denied"),
        (await shared.new_key(user_id="u-plain"), 403, "permission_denied"),
    ):
        told, error = await shared.refusal(path, {}, caller=key, method=method)
        assert (told, error["code"]) == (status, code)
    async with shared.http(MASTER) as http:
        assert (await http.request(method, path, json={})).status_code in (200, 400, 404)


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_with_and_without_v1(shared: Standalone, prefix: str) -> None:
    async with shared.http(MASTER) as http:
        answer = await http.post(f"{shared.address}{prefix}/key/generate", json={})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"]
        assert (await http.get(f"{shared.address}{prefix}/key/generate")).status_code == 405
        assert (await http.get(f"{shared.address}{prefix}/key/nonsense")).status_code == 404


async def test_without_a_master_key_it_is_told_what_to_set(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path), master_key=None) as gateway:
        for method, path in ROUTES:
            status, error = await gateway.refusal(path, {}, caller="anything", method=method)
            assert (status, error["code"]) == (403, "permission_denied")
            assert "set general_settings.master_key" in error["message"]
