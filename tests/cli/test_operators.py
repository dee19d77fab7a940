"""`litebatch jobs` and `litebatch deployments`: jobs are listed, stopped and moved, deployments drained."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from litebatch_asgi.cli.figures import age_of, amount_of
from tests.cli.databases import LARGE, NIGHTLY, fill_with_jobs
from tests.forks import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with a database."""
    fill_with_jobs(tmp_path / "litebatch.db")
    return tmp_path


def litebatch(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return run(*arguments, "--database", "sqlite:///litebatch.db", cwd=folder)


def listed(folder: Path, *options: str) -> list[str]:
    """The ids of the jobs that are listed."""
    ended = litebatch(folder, "jobs", "list", *options)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line)["id"].removeprefix("job_lb") for line in ended.stdout.splitlines()]


def test_jobs_are_listed(folder: Path) -> None:
    every = [f"{LARGE}-1-2", f"{LARGE}-0-1", f"{NIGHTLY}-0-1"]
    assert listed(folder) == every
    assert listed(folder, "--batch", f"batch_lb{LARGE}") == every[:2]
    assert listed(folder, "--deployment", "eu-general") == [every[1]]
    assert listed(folder, "--state", "unclear", "--state", "waiting") == [every[0], every[2]]
    ended = litebatch(folder, "jobs", "list", "--limit", "2", "--output", "plain")
    assert ended.stderr == "there are more than 2: --limit shows them\n"
    waiting, running = (line.split("\t") for line in ended.stdout.splitlines())
    assert waiting[:6] == [f"job_lb{every[0]}", f"batch_lb{LARGE}", "1", "", "waiting", "0"]
    assert running[:7] == [
        *(f"job_lb{every[1]}", f"batch_lb{LARGE}", "0", "eu-general"),
        *("submitted", "31012", "50000"),
    ]
    refused = litebatch(folder, "jobs", "list", "--state", "odd")
    assert refused.returncode == 2
    assert "there is no state 'odd'; there are waiting, submitting" in " ".join(refused.stderr.split())


def test_a_job_is_stopped_and_moved(folder: Path) -> None:
    """By its whole id, or as the table shows it."""
    ended = litebatch(folder, "jobs", "move", f"job_lb{NIGHTLY}-0-1")
    assert (ended.returncode, ended.stdout) == (
        0,
        f"job_lb{NIGHTLY}-0-1 is to leave old-account; running gateways follow within seconds\n",
    )
    ended = litebatch(folder, "jobs", "stop", f"{LARGE}-0-1")
    assert ended.stdout.startswith(f"job_lb{LARGE}-0-1 is to stop at eu-general;")
    states = litebatch(folder, "jobs", "list", "--output", "plain").stdout.splitlines()
    assert [line.split("\t")[4] for line in states] == ["waiting", "stopping", "stopping"]
    for arguments, told in (
        (("stop", f"{LARGE}-1-2"), "waits: no provider has it"),
        (("move", "unknown"), "No job found with id 'unknown'"),
    ):
        ended = litebatch(folder, "jobs", *arguments)
        assert ended.returncode == 2
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr


def test_deployments_are_drained_and_put_back(folder: Path) -> None:
    ended = litebatch(folder, "deployments", "list", "--output", "plain")
    assert [line.split("\t") for line in ended.stdout.splitlines()] == [
        ["eu-general", "active", "1", "50000", "12500000", "gpt-4o-batch"],
        ["old-account", "gone", "1", "120", "9000", ""],
        ["search", "active", "0", "0", "0", "*"],
        ["us-east", "drained", "0", "0", "0", "gpt-4o-batch,gpt-4o-mini-batch"],
    ]
    ended = litebatch(folder, "deployments", "drain", "eu-general")
    assert ended.returncode == 0, ended.stderr
    assert "jobs that stop and are handed on: 1\njobs that run to their end there: 0\n" in ended.stdout
    ended = litebatch(folder, "deployments", "undrain", "eu-general")
    assert ended.stdout == "eu-general gets jobs again; running gateways follow within seconds\n"
    ended = litebatch(folder, "deployments", "undrain", "eu-general")
    assert ended.stdout == "eu-general was not drained: there is nothing to do\n"
    ended = litebatch(folder, "deployments", "drain", "nowhere")
    assert ended.returncode == 2
    assert "No deployment 'nowhere'" in ended.stderr


@pytest.mark.parametrize(
    "arguments", [("jobs", "list"), ("deployments", "list"), ("deployments", "drain", "x")]
)
def test_no_database_is_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = litebatch(tmp_path, *arguments)
    assert ended.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86_399, "23h"),
        (1e6, "11d"),
    ],
)
def test_ages_are_short(seconds: float, told: str) -> None:
    assert age_of(seconds) == told


@pytest.mark.parametrize(("count", "told"), [(0, "0"), (9999, "9999"), (10_000, "10k"), (50_999, "50k")])
def test_large_amounts_are_short(count: int, told: str) -> None:
    assert amount_of(count) == told
