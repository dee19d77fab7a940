"""A team or user that is made again does not get what an earlier one of its id has left, unless told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import Database, SQLiteDatabase
from tests.forks import run
from tests.harness import QUICK, lines

KINDS = ["team", "user"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def left_behind(gateway: Standalone, kind: str, name: str, *, batch: bool = False) -> str:
    """A file, or a batch whose file is deleted, of a team or user that is deleted."""
    await gateway.manage(f"/{kind}/new", **{f"{kind}_id": name})
    key = await gateway.new_key(**{f"{kind}_id": name})
    file_id = (await gateway.upload(lines(), key=key)).id
    object_id = file_id
    if batch:
        object_id = (await gateway.create(file_id, key=key)).id
        await gateway.ended(object_id, key=key)
        async with gateway.http(key) as http:
            for each in (await http.get("/files")).json()["data"]:
                assert (await http.delete(f"/files/{each['id']}")).status_code == 200
    await delete(gateway, kind, name)
    return object_id


async def delete(gateway: Standalone, kind: str, name: str) -> None:
    going: dict[str, Any] = {f"{kind}_ids": [name]}
    await gateway.manage(f"/{kind}/delete", **going)


async def refused(gateway: Standalone, path: str, kind: str, **body: Any) -> None:
    status, error = await gateway.refusal(path, body)
    assert (status, error["code"], error["param"]) == (409, "owner_has_objects", f"{kind}_id")
    assert '"inherit": true' in error["message"]


async def sees(gateway: Standalone, key: str, object_id: str) -> bool:
    path = f"/files/{object_id}" if object_id.startswith("file-") else f"/batches/{object_id}"
    async with gateway.http(key) as http:
        return (await http.get(path)).status_code == 200


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_id_that_things_belong_to_is_not_given_out_again(
    shared: Standalone, kind: str, batch: bool
) -> None:
    name = f"again-{kind}-{batch}"
    object_id = await left_behind(shared, kind, name, batch=batch)
    await refused(shared, f"/{kind}/new", kind, **{f"{kind}_id": name})
    await refused(shared, f"/{kind}/new", kind, **{f"{kind}_id": name, "inherit": False})
    async with shared.http(MASTER) as http:
        assert (await http.get(f"/{kind}/info", params={f"{kind}_id": name})).status_code == 404
    heir: dict[str, Any] = {f"{kind}_id": name, "inherit": True}
    await shared.manage(f"/{kind}/new", **heir)
    assert await sees(shared, await shared.new_key(**{f"{kind}_id": name}), object_id)


async def test_a_user_that_is_made_on_the_way_inherits_no_more(shared: Standalone) -> None:
    object_id = await left_behind(shared, "user", "on-the-way")
    other = await shared.new_key()
    await refused(shared, "/key/generate", "user", user_id="on-the-way")
    await refused(shared, "/key/update", "user", key=other, user_id="on-the-way")
    await refused(shared, "/user/new", "user", user_id="on-the-way", auto_create_key=True)
    assert not await sees(shared, other, object_id)
    key = await shared.new_key(user_id="on-the-way", inherit=True)
    assert await sees(shared, key, object_id)
    assert await sees(shared, await shared.new_key(user_id="on-the-way"), object_id)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_of_which_nothing_is_left_can_be_made_again(shared: Standalone, kind: str) -> None:
    names: dict[str, Any] = {f"{kind}_id": f"clean-{kind}"}
    for _ in range(2):
        await shared.manage(f"/{kind}/new", **names)
        key = await shared.new_key(**names)
        file = await shared.upload(key=key)
        async with shared.http(key) as http:
            assert (await http.delete(f"/files/{file.id}")).status_code == 200
        await delete(shared, kind, f"clean-{kind}")


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_there_is_told_so_first(shared: Standalone, kind: str) -> None:
    names: dict[str, Any] = {f"{kind}_id": f"there-{kind}"}
    await shared.manage(f"/{kind}/new", **names)
    await shared.upload(key=await shared.new_key(**names))
    for inherit in ({}, {"inherit": True}):
        status, error = await shared.refusal(f"/{kind}/new", {**names, **inherit})
        assert (status, error["code"]) == (400, f"{kind}_exists")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_spent_outlives_all_else(tmp_path: Path, database: Database, kind: str) -> None:
    """Whoever has the id would see it, and have a budget that is used up."""
    names: dict[str, Any] = {f"{kind}_id": "frugal"}
    async with standalone(tmp_path, database) as gateway:
        await left_behind(gateway, kind, "frugal", batch=True)
    async with standalone(tmp_path, database, settings=replace(QUICK, keep_ended_days=1e-9)) as gateway:

        async def is_all_gone() -> bool:
            return not await database.rows("SELECT 1 FROM batches UNION ALL SELECT 1 FROM files")

        await gateway.eventually(is_all_gone)
        await refused(gateway, f"/{kind}/new", kind, **names)
        await gateway.manage(f"/{kind}/new", **names, inherit=True)
        spent = await gateway.look("/spend/batches", caller=await gateway.new_key(**names))
        assert [each["batches"] for each in spent["data"]] == [1]


async def test_names_are_of_one_kind(shared: Standalone) -> None:
    await left_behind(shared, "team", "of-one-kind")
    await shared.manage("/user/new", user_id="of-one-kind")


@pytest.mark.parametrize("path", ["/team/new", "/user/new", "/key/generate"])
async def test_inherit_is_a_boolean(shared: Standalone, path: str) -> None:
    status, error = await shared.refusal(path, {"inherit": "yes"})
    assert (status, error["param"]) == (400, "inherit")


async def test_the_command_line_asks_as_well(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        await left_behind(gateway, "user", "7")
    command = ("keys", "create", "--user", "7", "--database", f"sqlite:///{tmp_path}/litebatch.db")
    ended = run(*command, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: Files, batches or costs of an earlier user '7' are still there")
    assert "--inherit" in ended.stderr
    assert run(*command, "--inherit", cwd=tmp_path).returncode == 0
    assert run(*command, cwd=tmp_path).returncode == 0
