from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from litebatch_asgi.cli.demo import program
from tests import forks
from tests.cli.processes import run
from tests.harness import PATIENCE_SECONDS
from tests.page.visiting import visiting


def test_the_demo_takes_the_whole_journey_on_a_free_port(tmp_path: Path) -> None:
    with socket.socket() as four_thousand:
        take(four_thousand, 4000)
        ended = run("demo", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    titles = re.findall(r"^\d+\. (\w+)", ended.stdout, re.MULTILINE)
    assert titles == ["Write", "Upload", "Create", "Watch", "Read", "Create", "List", "Delete"]
    assert "http://127.0.0.1:4000" not in ended.stdout
    assert len(re.findall(r"copy at (?:east|west) +file-\w+, \d+ bytes", ended.stdout)) == 2
    assert "11 in the output file, 1 in the error file" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def take(held: socket.socket, port: int) -> None:
    """Have a port, once other tests do not have it any more; who has it for longer is as good."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with suppress(OSError):
            held.bind(("127.0.0.1", port))
            return
        time.sleep(0.1)


def test_keep_leaves_it_running_until_a_signal(tmp_path: Path) -> None:
    with forks.running("demo", "--keep", "--port", "0", cwd=tmp_path, until="Still running") as demo:
        told = demo.told
        demo.read_until("$OUTPUT/content")
        anyio.run(has_batches_in_every_state, told)
        commands = demo.told.removeprefix(told).strip()
        folder = re.search(r"folder +(\S+), removed", demo.told)
        assert folder
        pasted = subprocess.run(["sh", "-c", commands], capture_output=True, text=True, check=True)
        assert len(re.findall(r'"custom_id": *"request-\d\d"', pasted.stdout)) == 11
        assert Path(folder[1], "requests.jsonl").exists()
        assert demo.stop(signal.SIGINT) == 0
        assert demo.log.read_text() == ""
        assert not Path(folder[1]).exists()


def job_of(batch: dict[str, Any]) -> str:
    metadata: dict[str, str] = batch["metadata"] or {}
    return metadata.get("job", "of the journey")


async def has_batches_in_every_state(told: str) -> None:
    """The page of the demo has them, for whoever signs in with the key that it tells."""
    address = re.search(r"signing in with the key sk-demo:\n\n(http://\S+)/ui\n", told)
    assert address
    async with httpx2.AsyncClient(headers={"authorization": "Bearer sk-demo"}) as http:
        listed: list[dict[str, Any]] = (await http.get(f"{address[1]}/v1/batches")).json()["data"]
    async with visiting(address[1], "sk-demo") as visitor:
        page = await visitor.get("/batches")
        assert "Search" in (await visitor.get("/teams")).text
        assert "signs no webhooks" not in (await visitor.get("/webhooks")).text
    assert "sk-demo" not in page.html
    assert "(admin)" in page.text
    assert all(each["id"] in page.text for each in listed)
    found = {job_of(each): each for each in listed}
    assert {job: each["status"] for job, each in found.items()} == {
        "waits for the slow one": "validating",
        "slow": "in_progress",
        "given up": "cancelled",
        "unreadable": "failed",
        "nightly": "completed",
        "of the journey": "completed",
    }
    waiting = found["waits for the slow one"]["litebatch"]["waiting_for"]
    assert waiting["reason"] in ("deployments_busy", "enqueued_tokens")


def test_what_it_says_to_go_on_with_works(tmp_path: Path) -> None:
    told = forks.run("demo", "--port", "0", cwd=tmp_path).stdout.partition("To go on:\n")[2]
    commands = [line for line in told.splitlines() if line and not line.startswith("#")]
    assert commands == [
        "litebatch demo --keep",
        "OPENAI_API_KEY=sk-... litebatch serve",
        "litebatch --help",
    ]
    with forks.running(
        "serve", "--port", "0", cwd=tmp_path, until="listens", OPENAI_API_KEY="sk-..."
    ) as gateway:
        assert gateway.stop() == 0


def test_commands_are_named_as_this_one_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / ".venv" / "bin" / "litebatch"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "demo"])
    assert program() == ".venv/bin/litebatch"
    monkeypatch.chdir("/")
    assert program() == str(script).removeprefix("/")
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "litebatch"


def test_a_port_that_was_asked_for_and_is_taken_is_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = forks.run("demo", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert ended.returncode == 1
    assert "choose another with --port" in ended.stderr
