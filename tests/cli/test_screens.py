"""What is seen on a terminal of 80 columns, as files in `screens`; `make screens` writes them anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.cli.databases import fill_with_jobs, make_database
from tests.cli.terminal import COLUMNS, CTRL_C, forked_terminal
from tests.forks import run, running
from tests.harness import lines

SCREENS = Path(__file__).parent / "screens"
IS_WRITING = os.environ.get("LITEBATCH_SCREENS") == "write"
CONFIG = """\
model_list:
  - model_name: gpt-4o-batch
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/SEARCH_KEY}
    model_info: {mode: batch, id: search-project}
  - model_name: gpt-4o-batch
    litellm_params:
      model: azure/gpt-4o-mini
      api_base: https://eu.example.com
      api_key: os.environ/SEARCH_KEY
      api_version: "2024-10-21"
    model_info: {mode: batch, id: eu-general}
general_settings:
  master_key: os.environ/MASTER_KEY
"""
_VOLATILE = (
    (r"/\S*/litebatch-demo-\w+", "/tmp/litebatch-demo-x"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"(file-lb|batch_lb|key_lb)\w{26}", rf"\g<1>{'0' * 26}"),
    (r"(file-)[0-9a-f]{24}\b", rf"\g<1>{'0' * 24}"),
    (r"(batch_)[0-9a-f]{32}\b", rf"\g<1>{'0' * 32}"),
    (r"placed on     (east|west)", "placed on     east"),
    (r"(   batch\.status  (validating|in_progress|finalizing) +\d+ of 12\n)+", "   ...\n"),
    (r"made \d+s\s+ago", "made 1s\nago"),
    (r"sk-\.\.\.\S{4}", "sk-...0000"),
    (r"\bsk-[\w-]{43}", "sk-" + "0" * 43),
    (r"\b20\d\d-\d\d-\d\d", "2026-01-02"),
    (r"\b\d\d:\d\d UTC", "03:04 UTC"),
    (r"^\d\d:\d\d:\d\d", "03:04:05"),
    (r"LiteBatch \d\S+|litebatch \d\S+", "LiteBatch 0.0.0"),
    (r" +$", ""),
)

Screen: TypeAlias = Callable[[Path], str]


def ended(*arguments: str, **extra: str) -> Screen:
    def show(folder: Path) -> str:
        with forked_terminal(*arguments, cwd=folder, **extra) as shown:
            shown.end()
            return shown.shown

    return show


def serve(folder: Path) -> str:
    (folder / "litebatch.yaml").write_text(CONFIG)
    secrets = {"SEARCH_KEY": "sk-any", "MASTER_KEY": "sk-master"}
    with forked_terminal(
        "serve", "--config", "litebatch.yaml", "--port", "0", cwd=folder, **secrets
    ) as shown:
        shown.read_until("  key ")
        shown.type(CTRL_C)
        assert shown.end() == 0
        return shown.shown


def with_accounts(*arguments: str) -> Screen:
    def show(folder: Path) -> str:
        make_database(folder / "litebatch.db")
        for command in (
            ("teams", "create", "search", "--alias", "Search and ranking", "--model", "gpt-4o-batch"),
            ("users", "create", "ann", "--role", "proxy_admin", "--email", "ann@example.com", "--no-key"),
            ("keys", "create", "--alias", "nightly", "--team", "search", "--duration", "30d"),
            ("keys", "create", "--user", "ann", "--model", "gpt-4o-batch", "--model", "gpt-4o-mini-batch"),
            ("keys", "create", "--alias", "old"),
            ("keys", "block", "old"),
            ("teams", "block", "search"),
        ):
            done = run(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
        with forked_terminal(*arguments, cwd=folder) as shown:
            shown.end()
            return shown.shown

    return show


def run_batch(*options: str, times: int = 1) -> Screen:
    def show(folder: Path) -> str:
        (folder / "in.jsonl").write_bytes(lines(12, max_tokens=500))
        with running("simulate", "--port", "0", cwd=folder, until="steering") as simulator:
            server = {"OPENAI_BASE_URL": f"{simulator.address}/v1", "OPENAI_API_KEY": "any"}
            for _ in range(times - 1):
                done = run("batches", "run", "in.jsonl", "--yes", *options, cwd=folder, **server)
                assert done.returncode == 0, done.stderr
            with forked_terminal("batches", "run", "in.jsonl", *options, cwd=folder, **server) as shown:
                assert shown.end() == 0, shown.shown
                return shown.screen

    return show


def with_jobs(*arguments: str) -> Screen:
    def show(folder: Path) -> str:
        fill_with_jobs(make_database(folder / "litebatch.db"))
        with forked_terminal(*arguments, cwd=folder) as shown:
            shown.end()
            return shown.shown

    return show


def validate(*options: str) -> Screen:
    def show(folder: Path) -> str:
        (folder / "litebatch.yaml").write_text(CONFIG)
        (folder / "fine.jsonl").write_bytes(lines(12, max_tokens=500))
        (folder / "open.jsonl").write_bytes(lines(1200))
        (folder / "wrong.jsonl").write_bytes(lines(2, stream=True) + b"\n{oops\n" + lines(1, model="gpt-4o"))
        with forked_terminal(
            "files", "validate", *options, cwd=folder, SEARCH_KEY="x", MASTER_KEY="y"
        ) as shown:
            shown.end()
            return shown.shown

    return show


SHOWN: dict[str, Screen] = {
    "adopt-help": ended("adopt", "--help"),
    "batches-help": ended("batches", "--help"),
    "batches-run": run_batch("-m", "gpt-4o-mini", "--yes", "--every", "0.1"),
    "batches-run-again": run_batch("-m", "gpt-4o-mini", "--every", "0.1", times=2),
    "batches-run-help": ended("batches", "run", "--help"),
    "batches-run-no-key": ended("batches", "run", "any.jsonl"),
    "demo": ended("demo"),
    "deployments-drain": with_jobs("deployments", "drain", "eu-general"),
    "deployments-list": with_jobs("deployments", "list"),
    "files-help": ended("files", "--help"),
    "files-validate": validate("fine.jsonl", "--config", "litebatch.yaml"),
    "files-validate-help": ended("files", "validate", "--help"),
    "files-validate-no-limit": validate("open.jsonl", "-m", "openai/gpt-4o-mini"),
    "files-validate-wrong": validate("wrong.jsonl", "--config", "litebatch.yaml"),
    "help": ended("--help"),
    "jobs-help": ended("jobs", "--help"),
    "jobs-list": with_jobs("jobs", "list"),
    "keys-create": with_accounts("keys", "create", "--alias", "ci", "--duration", "30d"),
    "keys-help": ended("keys", "--help"),
    "keys-list": with_accounts("keys", "list"),
    "keys-list-no-database": ended("keys", "list"),
    "serve": serve,
    "serve-help": ended("serve", "--help"),
    "serve-nothing": ended("serve"),
    "teams-list": with_accounts("teams", "list"),
    "users-list": with_accounts("users", "list"),
    "version": ended("--version"),
}


def lasting(shown: str, folder: Path) -> str:
    """A screen without what is another one each time."""
    text = shown.replace(str(folder), "/folder")
    for pattern, replacement in _VOLATILE:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("name", SHOWN)
def test_the_screen_is_as_it_was(name: str, tmp_path: Path) -> None:
    shown = SHOWN[name](tmp_path)
    paths_and_urls = [line for line in shown.splitlines() if str(tmp_path) not in line]
    assert [line for line in paths_and_urls if len(line.rstrip()) > COLUMNS] == []
    file = SCREENS / f"{name}.txt"
    if IS_WRITING:
        file.parent.mkdir(exist_ok=True)
        file.write_text(lasting(shown, tmp_path))
    assert lasting(shown, tmp_path) == file.read_text(), "if that is meant: make screens"


def test_every_screen_is_shown() -> None:
    assert {file.stem for file in SCREENS.iterdir()} == set(SHOWN)
