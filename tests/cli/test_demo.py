from __future__ import annotations

import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.cli.processes import run, running


def test_the_demo_takes_the_whole_journey_on_a_free_port(tmp_path: Path) -> None:
    with socket.socket() as four_thousand:
        with suppress(OSError):  # somebody else has it, which is as good
            four_thousand.bind(("127.0.0.1", 4000))
        ended = run("demo", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    titles = re.findall(r"^\d+\. (\w+)", ended.stdout, re.MULTILINE)
    assert titles == ["Write", "Upload", "Create", "Watch", "Read", "Create", "List", "Delete"]
    assert "http://127.0.0.1:4000" not in ended.stdout
    assert len(re.findall(r"copy at (?:east|west) +file-\w+, \d+ bytes", ended.stdout)) == 2
    assert "11 in the output file, 1 in the error file" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_keep_leaves_it_running_until_a_signal(tmp_path: Path) -> None:
    with running("demo", "--keep", "--port", "0", cwd=tmp_path, until="Still running") as demo:
        demo.read_until("URL=")
        found = re.search(r"KEY=(\S+) URL=(\S+)", demo.told)
        folder = re.search(r"all in (\S+)\.\n", demo.told)
        assert found
        assert folder
        answer = httpx2.get(f"{found[2]}/batches", headers={"authorization": f"Bearer {found[1]}"})
        assert [batch["status"] for batch in answer.json()["data"]] == ["cancelled", "completed"]
        assert Path(folder[1], "requests.jsonl").exists()
        assert demo.stop(signal.SIGINT) == 0
        assert demo.log.read_text() == ""
        assert not Path(folder[1]).exists()


def test_a_port_that_was_asked_for_and_is_taken_is_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("demo", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert ended.returncode == 1
    assert "choose another with --port" in ended.stderr
