"""`litebatch database`: what is told where the database is another, and what is done about it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.cli.databases import make_database
from tests.forks import run
from tests.postgres import database_url, empty_database_url, run_on


def database(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return run("database", *arguments, cwd=folder)


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a database that was used."""
    original = make_database(tmp_path / "litebatch.db")
    return Path(shutil.copyfile(original, tmp_path / "copy.db"))


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["work"], ["keys", "list"]])
def test_nothing_starts_on_a_copy(tmp_path: Path, copy: Path, command: list[str]) -> None:
    before = copy.read_bytes()
    ended = run(*command, "--database", "sqlite:///copy.db", cwd=tmp_path, OPENAI_API_KEY="sk-any")
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert f"it is now file {copy}" in line
    assert f"it was file {tmp_path / 'litebatch.db'}" in line
    assert "litebatch database moved" in line
    assert "litebatch database copied" in line
    assert "Traceback" not in ended.stderr
    assert copy.read_bytes() == before


def test_a_database_that_was_moved_keeps_its_id(tmp_path: Path, copy: Path) -> None:
    before = rows(copy, "SELECT id FROM installation")
    ended = database(tmp_path, "moved", "--database", "sqlite:///copy.db", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"installation {before[0][0]} lives here from now on; nothing else was changed\n"
    assert "the database is sqlite:///copy.db" in ended.stderr
    assert rows(copy, "SELECT id FROM installation") == before
    assert run("keys", "list", "--database", "sqlite:///copy.db", cwd=tmp_path).returncode == 0
    again = database(tmp_path, "moved", "--database", "sqlite:///copy.db")
    assert (again.returncode, again.stdout) == (0, "it is where it was: there is nothing to do\n")


def test_a_copy_becomes_an_installation_of_its_own(tmp_path: Path, copy: Path) -> None:
    before = rows(copy, "SELECT id FROM installation")
    ended = database(tmp_path, "copied", "--database", "sqlite:///copy.db", "--yes")
    ((own,),) = rows(copy, "SELECT id FROM installation")
    assert (own,) not in before
    assert ended.stdout.splitlines() == [
        f"installation {own} lives here from now on, in place of {before[0][0]}",
        "batches that were open and have failed: 0",
        "jobs that are left to the original: 0",
        "input files that are hidden: 0",
        "files at providers that are left to the original: 0",
        "idempotency keys that are free again: 0",
    ]
    assert run("keys", "list", "--database", "sqlite:///copy.db", cwd=tmp_path).returncode == 0
    again = database(tmp_path, "copied", "--database", "sqlite:///copy.db")
    assert again.returncode == 2
    assert "if it is the original itself, its open batches are lost" in again.stderr
    assert (
        "error: nothing was changed: this asks first, and here is no terminal; to go on, use --yes"
        in again.stderr
    )
    assert rows(copy, "SELECT id FROM installation") == [(own,)]


def test_processes_that_are_alive_are_in_the_way(tmp_path: Path, copy: Path) -> None:
    now = "CAST(strftime('%s') AS INTEGER) * 1000000"
    rows(copy, f"INSERT INTO heartbeats VALUES ('old', '{{}}', 0, {now} - 61000000)")
    rows(copy, f"INSERT INTO heartbeats VALUES ('new', '{{}}', 0, {now})")
    for command in ("moved", "copied"):
        ended = database(tmp_path, command, "--database", "sqlite:///copy.db", "--yes")
        assert ended.returncode == 2
        assert "alive on it within the last minute: 1. Stop them" in ended.stderr
    assert database(tmp_path, "moved", "--database", "sqlite:///copy.db", "--yes", "--force").returncode == 0


def test_the_database_is_that_of_the_configuration_or_the_default(tmp_path: Path, copy: Path) -> None:
    copy.replace(tmp_path / "litebatch.db")
    ended = database(tmp_path, "moved", "--yes")
    assert ended.returncode == 0
    assert "the database is sqlite:///litebatch.db" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--database", "sqlite:///typo.db"], "error: there is no database file typo.db"),
        (["--database", "memory://"], "error: memory:// is in the gateway's memory alone"),
        (["--database", "redis://x"], "error: no storage for 'redis'"),
        (["--table-prefix", "a b", "--database", "sqlite:///copy.db"], "error: table_prefix 'a b'"),
        (["--table-prefix", "b_", "--database", "sqlite:///copy.db"], "error: the database has no LiteBatch"),
        (["--config", "missing.yaml"], "error: there is no missing.yaml"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, copy: Path, arguments: list[str], told: str) -> None:
    for command in ("moved", "copied"):
        ended = database(tmp_path, command, *arguments, "--yes")
        assert ended.returncode == 2
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr
    assert not (tmp_path / "typo.db").exists()


def test_the_commands_of_the_readme(tmp_path: Path, copy: Path) -> None:
    text = (Path(__file__).parents[2] / "backends/README.md").read_text()
    commands = re.findall(r"^litebatch (database .*?) *#", text, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["moved", "copied"]
    (tmp_path / "original.db").hardlink_to(tmp_path / "litebatch.db")  # or its inode would be given out again
    for command in commands:
        copy.with_name("new.db").write_bytes(copy.read_bytes())
        copy.with_name("new.db").replace(tmp_path / "litebatch.db")
        assert run("keys", "list", cwd=tmp_path).returncode == 2
        ended = run(*command.split(), "--yes", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert run("keys", "list", cwd=tmp_path).returncode == 0


async def test_on_postgresql_it_is_the_same(tmp_path: Path) -> None:
    async with database_url(fresh=True) as url:
        assert run("keys", "list", "--database", url, cwd=tmp_path).returncode == 0
        async with empty_database_url(template=url.partition("?")[0].rpartition("/")[2]) as clone:
            refused = run("serve", "--port", "0", "--database", clone, cwd=tmp_path, OPENAI_API_KEY="sk-any")
            assert refused.returncode == 2
            assert "error: the database is not where it was: it is now database test_" in refused.stderr
            assert "Traceback" not in refused.stderr
            ended = database(tmp_path, "copied", "--database", clone, "--yes")
            assert ended.returncode == 0, ended.stderr
            assert run("keys", "list", "--database", clone, cwd=tmp_path).returncode == 0
            ids = [await run_on(each, "SELECT id FROM installation") for each in (url, clone)]
            assert ids[0] != ids[1]
