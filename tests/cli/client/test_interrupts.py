"""Ctrl-C at each step of `litebatch batches run`, and the same command again; and what bars look like."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.client.servers import QUICKLY, Direct, Server
from tests.cli.client.test_run import batches_of, write
from tests.cli.terminal import CTRL_C, Terminal
from tests.harness import ids_of, lines

RUN = ("batches", "run", "in.jsonl", "-o", "out.jsonl", *QUICKLY)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def interrupt(shown: Terminal) -> list[str]:
    """Press Ctrl-C; the command that goes on."""
    shown.type(CTRL_C)
    assert shown.end() == 1
    assert "Traceback" not in shown.shown
    told = " ".join(shown.shown.partition("to go on:")[2].split())
    program, *words = shlex.split(told)
    assert program == "litebatch"
    return words


def went_on(server: Server, words: list[str], folder: Path) -> None:
    """The command that was told leads to the answers, by one batch."""
    done = server.litebatch(*words, "--yes", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert ids_of((folder / "out.jsonl").read_bytes()) == [f"request-{number}" for number in range(5)]
    assert len(batches_of(server, folder)) == 1
    assert sorted(path.name for path in folder.iterdir() if path.suffix) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("call", ["upload_file", "create_batch", "stream_file"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_while_the_server_is_asked(direct: Direct, folder: Path, call: str, when: str) -> None:
    write(folder, lines(5))
    stalled = direct.fault(call=call, stall=True, when=when if call != "stream_file" else "before")
    with direct.on_terminal(*RUN, "--yes", cwd=folder) as shown:
        direct.struck(stalled)
        words = interrupt(shown)
        so_far = {
            "upload_file": "the file was not sent whole, and no batch was created",
            "create_batch": "it is not known whether a batch was created",
            "stream_file": "its results can be read at any time",
        }
        assert so_far[call] in " ".join(shown.shown.split())
    went_on(direct, words, folder)
    direct.lift(stalled)


def test_while_the_file_is_sent(direct: Direct, folder: Path) -> None:
    row = lines(1, padding="x" * 4_000_000)
    write(folder, b"\n".join(row.replace(b"t-0", b"t-%d" % number) for number in range(5)))
    slow = direct.fault(call="upload_file", request_rate=1_000_000, times=None)
    with direct.on_terminal(*RUN, "--yes", cwd=folder) as shown:
        shown.read_until("uploading")
        shown.read_until("MB/s, ")
        words = interrupt(shown)
    direct.lift(slow)
    went_on(direct, words, folder)


def test_while_it_is_watched(server: Server, folder: Path) -> None:
    write(folder, lines(5))
    with server.holding():
        with server.on_terminal(*RUN, "--yes", cwd=folder) as shown:
            shown.read_until("in_progress")
            words = interrupt(shown)
        (batch,) = batches_of(server, folder)
        assert batch["status"] == "in_progress"
        assert f"{batch['id']} goes on without this command" in " ".join(shown.shown.split())
    went_on(server, words, folder)


def test_while_it_is_asked_and_checked(direct: Direct, folder: Path) -> None:
    write(folder, lines(5))
    with direct.on_terminal(*RUN, cwd=folder) as shown:
        shown.read_until_asked()
        words = interrupt(shown)
        assert "interrupted: nothing was sent" in shown.shown
    assert direct.calls("upload_file") == 0
    went_on(direct, words, folder)
    os.mkfifo(folder / "pipe")
    with direct.on_terminal("batches", "run", "pipe", cwd=folder) as shown:
        writer = os.open(folder / "pipe", os.O_WRONLY)  # opens once it is read
        shown.read_until("checking")
        interrupt(shown)
        assert "interrupted: nothing was sent" in shown.shown
        os.close(writer)


def test_a_no_is_no_interruption(direct: Direct, folder: Path) -> None:
    write(folder, lines(5))
    with direct.on_terminal(*RUN, cwd=folder) as shown:
        shown.read_until("[y/N]: ")
        shown.type("n\n")
        assert shown.end() == 1
        assert "nothing was created" in shown.shown
        assert "to go on" not in shown.shown
    assert direct.calls("upload_file") == 0


def test_a_watch_is_left(direct: Direct, folder: Path) -> None:
    write(folder, lines(5))
    with direct.holding():
        with direct.on_terminal(*RUN, "--yes", cwd=folder) as shown:
            shown.read_until("in_progress")
            interrupt(shown)
        (batch,) = batches_of(direct, folder)
        with direct.on_terminal("batches", "watch", batch["id"], *QUICKLY, cwd=folder) as shown:
            shown.read_until("in_progress")
            shown.type(CTRL_C)
            assert shown.end() == 1
            assert "interrupted: the batches go on without this command" in shown.shown


@pytest.mark.parametrize("columns", [80, 40])
def test_what_is_shown_fits(direct: Direct, folder: Path, columns: int) -> None:
    """Bars, question and summary; what is to be copied is broken by the terminal alone."""
    write(folder, lines(5, model="wide").replace(b'"wide"', '"漢字"'.encode()))
    direct.call(lambda: direct.account.configure(course={"rows_per_second": 4}))
    with direct.on_terminal(*RUN, cwd=folder, COLUMNS=str(columns)) as shown:
        shown.read_until("[y/N]: ")
        shown.type("y\n")
        assert shown.end() == 0, shown.shown
    assert "━" in shown.shown
    assert re.search(r"[1-4] of 5 done, \d+/s, about \ds left", " ".join(shown.shown.split()))
    frames = re.split(r"[\n\r]", _ESCAPES.sub("", shown.raw.replace("\x1b[2K", "\n")))
    too_long = [line for line in frames if cell_len(line) > columns]
    assert [line for line in too_long if not re.search(r"\[y/N\]|^BATCH  |^batch_", line)] == []
    assert "\x1b[?25h" in shown.raw  # the cursor is there again


def test_words_in_place_of_bars_where_nothing_can_move(direct: Direct, folder: Path) -> None:
    write(folder, lines(5))
    with direct.on_terminal(*RUN, "--yes", cwd=folder, TERM="dumb") as shown:
        assert shown.end() == 0
        assert "\x1b" not in shown.raw
        assert "completed: 5 of 5 done" in shown.shown
    piped = direct.litebatch(*RUN, "--yes", cwd=folder)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert json.loads(piped.stdout)["status"] == "completed"


def test_what_a_gateway_waits_for_is_told(gateway: Server, folder: Path) -> None:
    write(folder, lines(5))
    with gateway.holding():
        accounts = gateway.accounts()
        gateway.call(lambda: [each.configure(max_enqueued_tokens=1) for each in accounts])
        try:
            with gateway.on_terminal(*RUN, "--yes", cwd=folder) as shown:
                shown.read_until("waiting: ")
                interrupt(shown)
        finally:
            gateway.call(lambda: [each.configure(max_enqueued_tokens=None) for each in accounts])
