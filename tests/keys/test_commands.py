"""`litebatch keys`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.forks import run


def keys(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return run("keys", *arguments, cwd=folder)


def test_a_key_is_made_listed_blocked_and_deleted(tmp_path: Path) -> None:
    options = ["--alias", "ci", "--model", "gpt-*", "--model", "beta", "--user", "7", "--duration", "30d"]
    made = keys(tmp_path, "create", *options, "--max-open-batches", "2")
    assert re.fullmatch("sk-[A-Za-z0-9_-]{43}\n", made.stdout)
    assert re.search("^owner user:7, expires .* UTC; the key is not shown again$", made.stderr, re.MULTILINE)
    listed = keys(tmp_path, "list").stdout.split()
    assert listed[:4] == [f"sk-...{made.stdout[-5:-1]}", "ci", "user:7", "gpt-*,beta"]
    assert listed[6] == "active"
    token = listed[7]
    for name, done, state in (
        ("ci", "block", "blocked"),
        (token, "unblock", "active"),
        (made.stdout.strip(), "block", "blocked"),
    ):
        assert keys(tmp_path, done, name).returncode == 0
        assert keys(tmp_path, "list").stdout.split()[6] == state
    assert keys(tmp_path, "delete", token).returncode == 0
    left = keys(tmp_path, "list")
    assert left.stdout == ""
    assert left.stderr == "there are no keys in sqlite:///litebatch.db: `litebatch keys create` makes one\n"


def test_the_database_is_that_of_the_configuration(tmp_path: Path) -> None:
    config = {
        "model_list": [{"model_name": "m", "params": {"model": "openai/m", "api_key": "k"}}],
        "general_settings": {"database_url": "sqlite:///of-the-config.db"},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    assert keys(tmp_path, "create", "--config", "c.yaml").returncode == 0
    assert keys(tmp_path, "create", "--config", "c.yaml", "--database", "sqlite:///other.db").returncode == 0
    assert keys(tmp_path, "create").returncode == 0
    for name in ("of-the-config.db", "other.db", "litebatch.db"):
        listed = keys(tmp_path, "list", "--database", f"sqlite:///{name}").stdout
        assert len(listed.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["block", "nobody"],
            "error: there is no such key: name it by its alias, its token or itself; it was looked for in",
        ),
        (["create", "--team", "none"], "error: There is no team 'none': make it first, with POST /team/new."),
        (["create", "--duration", "soon"], "error: Invalid 'duration': 'soon' is none, such as 30s,"),
        (["list", "--database", "memory://"], "error: memory:// is in the gateway's memory alone"),
        (["list", "--config", "none.yaml"], "error: there is no none.yaml"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    ended = keys(tmp_path, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(told)
    assert "Traceback" not in ended.stderr
