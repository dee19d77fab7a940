"""A key in clear is nowhere but with whoever was given it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.databases import make_database
from tests.database import BACKENDS, Database, database_on
from tests.forks import run
from tests.survival.server import KEY, Deployed, deployed

OWN = "sk-an-operators-own-key-of-old"
GUESSED = "sk-that-never-was-a-key-but-looks-like-one"
TABLES = ("virtual_keys", "users", "teams", "files", "batches", "events")


async def use(gateway: Deployed) -> list[str]:
    """Make, use, lose and misplace keys in all ways; returns those that were given out."""
    async with gateway.http(KEY) as http:
        made = [(await http.post("/key/generate", json=body)).json() for body in ({}, {"key": OWN})]
        made.append((await http.post("/user/new", json={"user_id": "7"})).json())
        keys = [each["key"] for each in made]
        keys.append((await http.post(f"/key/{keys[0]}/regenerate")).json()["key"])
        for path in (f"/key/info?key={OWN}", f"/key/{OWN}/nonsense", f"/files/{OWN}", f"/nonsense/{GUESSED}"):
            await http.get(path)
        for body in ({"key_alias": OWN, "nonsense": OWN}, {"metadata": {"a": 1}, OWN: 1}, {"duration": OWN}):
            await http.post("/key/generate", json=body | {"team_id": "nobody"})
        await http.post("/key/block", json={"key": keys[2]})
        assert keys[3] not in (await http.get("/key/list?return_full_object=true")).text
    file = await gateway.upload(key=keys[3])
    await gateway.ended((await gateway.create(file.id, key=keys[3])).id, key=keys[3])
    for key in (keys[0], keys[2], GUESSED):
        async with gateway.http(key) as http:
            assert (await http.get("/files")).status_code == 401
    return [*keys, GUESSED]


def holding(folder: Path, secrets: list[str]) -> dict[str, list[str]]:
    """The files that hold one of these, byte-wise."""
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = {
        name: [secret for secret in secrets if secret.encode() in content]
        for name, content in contents.items()
    }
    assert any(name.endswith(".log") for name in contents)
    return {name: secrets for name, secrets in found.items() if secrets}


async def all_rows(database: Database) -> str:
    """Everything in the tables that know of keys."""
    rows = [await database.rows(f"SELECT * FROM {table}") for table in TABLES]
    return str(rows)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_neither_database_nor_log_hold_a_key(tmp_path: Path, backend: str) -> None:
    async with database_on(backend, tmp_path) as database, deployed(tmp_path, database=database) as gateway:
        await gateway.restart()
        keys = await use(gateway)
        assert holding(tmp_path, keys) == {}
        written = await all_rows(database)
        assert not [key for key in keys if key in written]
        gateway.server.signal(signal.SIGTERM)
        assert await gateway.server.ended_within(20) == 0
        assert holding(tmp_path, keys) == {}
        assert any(name.endswith(".log") for name in holding(tmp_path, ["[redacted]"]))


def test_the_command_line_tells_a_key_once(tmp_path: Path) -> None:
    make_database(tmp_path / "litebatch.db")
    made = run("keys", "create", "--alias", "ci", cwd=tmp_path)
    secret = made.stdout.strip()
    assert secret not in made.stderr
    assert secret not in run("keys", "list", cwd=tmp_path).stdout
    assert not [path for path in tmp_path.iterdir() if secret.encode() in path.read_bytes()]
