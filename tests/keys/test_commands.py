"""`litebatch keys`, `teams` and `users`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.cli.databases import make_database
from tests.cli.terminal import forked_terminal
from tests.forks import run
from tests.postgres import database_url, empty_database_url, run_on


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a gateway's database."""
    make_database(tmp_path / "litebatch.db")
    return tmp_path


def done(folder: Path, *arguments: str) -> CompletedProcess[str]:
    ended = run(*arguments, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return ended


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What is listed in a pipe."""
    return [json.loads(line) for line in done(folder, kind, "list").stdout.splitlines()]


def test_a_key_is_made_listed_blocked_and_deleted(folder: Path) -> None:
    options = ["--alias", "ci", "--model", "gpt-*", "--model", "beta", "--user", "7", "--duration", "30d"]
    made = done(folder, "keys", "create", *options, "--max-open-batches", "2")
    secret = made.stdout.strip()
    assert re.fullmatch("sk-[A-Za-z0-9_-]{43}\n", made.stdout)
    assert re.search("^owner user:7, expires .* UTC$", made.stderr, re.MULTILINE)
    assert "the key is not shown again; it counts at gateways on sqlite:///litebatch.db" in made.stderr
    (row,) = rows(folder, "keys")
    assert (row["key_name"], row["key_alias"], row["owner"]) == (f"sk-...{secret[-4:]}", "ci", "user:7")
    assert (row["models"], row["max_open_batches"], row["blocked"]) == (["gpt-*", "beta"], 2, False)
    for name, command, blocked in (
        ("ci", "block", True),
        (row["token"], "unblock", False),
        (secret, "block", True),
        (row["key_name"], "unblock", False),
    ):
        told = done(folder, "keys", command, name)
        assert told.stdout == ""
        state = "blocked" if blocked else "active"
        follows = "running gateways follow within 4 seconds"
        assert told.stderr == f"key ci ({row['key_name']}) is {state}; {follows}\n"
        assert rows(folder, "keys")[0]["blocked"] is blocked
    assert "is deleted" in done(folder, "keys", "delete", row["token"], "--yes").stderr
    left = done(folder, "keys", "list")
    assert left.stdout == ""
    assert left.stderr == "there are no keys in sqlite:///litebatch.db: `litebatch keys create` makes one\n"


def test_forms_of_output(folder: Path) -> None:
    secret = json.loads(done(folder, "keys", "create", "--alias", "a b", "--output", "json").stdout)["key"]
    plain = done(folder, "keys", "list", "--output", "plain").stdout
    (row,) = rows(folder, "keys")
    cells = [row["key_name"], "a b", row["owner"], "all", "never", "active", row["token"]]
    assert plain == "\t".join(cells) + "\n"
    assert secret.endswith(row["key_name"][-4:])
    table = done(folder, "keys", "list", "--output", "table").stdout.splitlines()
    assert table[0].split() == ["KEY", "ALIAS", "OWNER", "MODELS", "EXPIRES", "STATE"]
    assert table[1].split() == [row["key_name"], "a", "b", "itself", "all", "never", "active"]


def test_a_team_is_made_listed_blocked_and_deleted(folder: Path) -> None:
    made = done(folder, "teams", "create", "search", "--alias", "Search", "--model", "m", "--max-files", "3")
    assert made.stdout == "search\n"
    assert made.stderr == "a key for it: litebatch keys create --team search\n"
    (row,) = rows(folder, "teams")
    assert (row["team_id"], row["team_alias"], row["models"], row["max_files"]) == (
        "search",
        "Search",
        ["m"],
        3,
    )
    done(folder, *["keys", "create", "--team", "search"])
    done(folder, "teams", "block", "search")
    assert rows(folder, "teams")[0]["blocked"]
    done(folder, "teams", "unblock", "search")
    assert not rows(folder, "teams")[0]["blocked"]
    told = done(folder, "teams", "delete", "search", "--yes").stderr
    assert told.startswith("team search with 1 key is deleted")
    assert rows(folder, "teams") == rows(folder, "keys") == []
    assert json.loads(done(folder, "teams", "create", "--output", "json").stdout)["team_id"]


def test_a_user_is_made_with_a_key_listed_blocked_and_deleted(folder: Path) -> None:
    options = [
        "--email",
        "ann@example.com",
        "--role",
        "proxy_admin",
        "--key-alias",
        "hers",
        "--duration",
        "1d",
    ]
    made = done(folder, "users", "create", "ann", *options)
    assert re.fullmatch("sk-[A-Za-z0-9_-]{43}\n", made.stdout)
    assert made.stderr.startswith("owner user:ann, expires ")
    (row,) = rows(folder, "users")
    assert (row["user_id"], row["user_email"], row["user_role"]) == ("ann", "ann@example.com", "proxy_admin")
    assert [key["key_alias"] for key in rows(folder, "keys")] == ["hers"]
    done(folder, "users", "block", "ann")
    assert rows(folder, "users")[0]["blocked"]
    done(folder, "users", "unblock", "ann")
    assert not rows(folder, "users")[0]["blocked"]
    assert done(folder, "users", "create", "bob", "--no-key").stdout == "bob\n"
    assert done(folder, "users", "delete", "ann", "--yes").stderr.startswith("user ann with 1 key is deleted")
    assert [user["user_id"] for user in rows(folder, "users")] == ["bob"]
    assert rows(folder, "keys") == []


def test_a_user_is_not_left_without_the_key_that_cannot_be_made(folder: Path) -> None:
    ended = run("users", "create", "ann", "--team", "none", cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: There is no team 'none'")
    assert rows(folder, "users") == []


def test_deleting_asks_on_a_terminal(folder: Path) -> None:
    done(folder, "keys", "create", "--alias", "ci")
    question = "Delete key ci (sk-..."
    for answer, code, left in (("n", 1, 1), ("\x04", 1, 1), ("y", 0, 0)):
        with forked_terminal("keys", "delete", "ci", cwd=folder) as shown:
            shown.read_until("[y/N]")
            assert question in shown.shown
            shown.type(f"{answer}\n" if answer != "\x04" else answer)
            assert shown.end() == code
            assert ("nothing was changed" in shown.shown) is bool(left)
        assert len(rows(folder, "keys")) == left


@pytest.mark.parametrize("kind", ["keys", "teams", "users"])
def test_deleting_without_a_terminal_needs_an_option(folder: Path, kind: str) -> None:
    name = {"keys": ["--alias", "ci"]}.get(kind, ["ci"])
    done(folder, kind, "create", *name)
    ended = run(kind, "delete", "ci", cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: nothing was changed: this asks first, and here is no terminal; to go on, use --yes\n"
    )
    assert len(rows(folder, kind)) == 1


def test_only_the_database_of_the_configuration_is_needed(folder: Path) -> None:
    config = {
        "model_list": [
            {"model_name": "m", "params": {"model": "openai/m", "api_key": "os.environ/NOBODY_HAS_SET_THIS"}}
        ],
        "general_settings": {
            "database_url": "os.environ/WHERE",
            "master_key": "os.environ/NOBODY_HAS_SET_THIS",
        },
    }
    (folder / "c.yaml").write_text(json.dumps(config))
    make_database(folder / "of-the-config.db")
    make_database(folder / "other.db")
    where = {"WHERE": "sqlite:///of-the-config.db"}
    for options in (["--config", "c.yaml"], ["--config", "c.yaml", "--database", "sqlite:///other.db"], []):
        assert run("keys", "create", *options, cwd=folder, **where).returncode == 0
    for name in ("of-the-config.db", "other.db", "litebatch.db"):
        listed = done(folder, "keys", "list", "--database", f"sqlite:///{name}").stdout
        assert len(listed.splitlines()) == 1
    unset = run("keys", "list", "--config", "c.yaml", cwd=folder)
    assert unset.returncode == 2
    assert "general_settings.database_url: the environment variable WHERE is not set" in unset.stderr
    moved = run("database", "moved", "--config", "c.yaml", cwd=folder, **where)
    assert moved.returncode == 0, moved.stderr


@pytest.mark.parametrize("command", ["keys list", "keys create", "teams create a", "users delete a --yes"])
def test_a_database_is_never_made(tmp_path: Path, command: str) -> None:
    for options, name in (([], "litebatch.db"), (["--database", "sqlite:///typo.db"], "typo.db")):
        ended = run(*command.split(), *options, cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"error: there is no database file {name} in {tmp_path}: name the")
    assert list(tmp_path.iterdir()) == []


async def test_on_postgresql_nothing_is_made_either(tmp_path: Path) -> None:
    async with empty_database_url() as url:
        ended = run("keys", "create", "--database", url, cwd=tmp_path)
        assert ended.returncode == 2
        assert ended.stderr.startswith("error: the database has no LiteBatch in it")
        assert await run_on(url, "SELECT 1 FROM pg_tables WHERE schemaname !~ '^pg_|^information_'") == []
    async with database_url() as url:
        assert run("keys", "create", "--database", url, cwd=tmp_path).returncode == 0
    away = run("keys", "list", "--database", "postgresql://me@127.0.0.1:1/none", cwd=tmp_path)
    assert away.returncode == 1
    assert away.stderr.startswith("error: the database cannot be reached")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["keys", "block", "nobody"],
            "error: there is no such key: name it by its alias, its token or itself; it was looked for in",
        ),
        (
            ["teams", "block", "nobody"],
            "error: there is no team 'nobody' in sqlite:///litebatch.db: `litebatch teams list` shows those",
        ),
        (
            ["users", "delete", "nobody", "--yes"],
            "error: there is no user 'nobody' in sqlite:///litebatch.db",
        ),
        (["keys", "create", "--team", "none"], "error: There is no team 'none': make it first, with POST"),
        (
            ["keys", "create", "--duration", "soon"],
            "error: Invalid 'duration': 'soon' is none. Write a whole number and its unit: 30s,",
        ),
        (["keys", "list", "--database", "memory://"], "error: memory:// is in the gateway's memory alone"),
        (["keys", "list", "--config", "none.yaml"], "error: there is no none.yaml"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(folder: Path, arguments: list[str], told: str) -> None:
    ended = run(*arguments, cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(told)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", ["keys", "teams", "users"])
def test_budgets_are_given_and_checked(folder: Path, kind: str) -> None:
    create = (kind, "create", *(("--no-key",) if kind == "users" else ()))
    done(folder, *create, "--max-budget", "12.50", "--soft-budget", "10", "--budget-duration", "30d")
    (row,) = rows(folder, kind)
    assert (row["max_budget"], row["soft_budget"], row["budget_duration"]) == (12.5, 10, "30d")
    for option, value in (("--max-budget", "-1"), ("--soft-budget", "much"), ("--budget-duration", "never")):
        refused = run(*create, option, value, cwd=folder)
        assert refused.returncode == 2
        assert f"Invalid '{option[2:].replace('-', '_')}'" in refused.stderr
    assert len(rows(folder, kind)) == 1
