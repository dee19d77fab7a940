"""Ctrl-C, once and twice, and what is told of it."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.cli.terminal import CTRL_C, forked_terminal, terminal
from tests.postgres import database_url

SERVE = ("serve", "--port", "0")
ENDLESS = [
    (SERVE, "listens on", "Requests in progress have 20 seconds"),
    (("simulate", "--port", "0"), "steering", "Requests in progress have 5 seconds"),
    (("work",), "looks after batches", "What is under way goes on later"),
    (("demo", "--keep", "--port", "0"), "$OUTPUT/content", "The folder is removed"),
]


@pytest.mark.parametrize(("arguments", "until", "told"), ENDLESS, ids=[case[0][0] for case in ENDLESS])
def test_the_first_tells_that_it_stops(
    tmp_path: Path, arguments: tuple[str, ...], until: str, told: str
) -> None:
    with forked_terminal(*arguments, cwd=tmp_path, OPENAI_API_KEY="sk-any") as shown:
        shown.read_until(until)
        shown.type(CTRL_C)
        assert shown.end() == 0
        assert f"stopping… {told}. Ctrl-C again ends it at once." in " ".join(shown.shown.split())
        assert "Traceback" not in shown.shown


def stalled_request(address: str) -> socket.socket:
    """A request that has begun and does not end."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100")  # it is being read
    return connection


def test_the_second_ends_it_at_once(tmp_path: Path) -> None:
    with terminal(*SERVE, cwd=tmp_path, OPENAI_API_KEY="sk-any") as shown:
        shown.read_until("/v1")
        address = shown.shown.partition("listens on ")[2].partition("/v1")[0]
        with stalled_request(address):
            shown.type(CTRL_C)
            shown.read_until("Ctrl-C again")
            shown.type(CTRL_C)
            assert shown.end() == -signal.SIGINT
        assert "Traceback" not in shown.shown


async def test_several_workers_do_the_same(tmp_path: Path) -> None:
    async with database_url() as url:
        options = ("--workers", "2", "--database", url)
        with forked_terminal(*SERVE, *options, cwd=tmp_path, OPENAI_API_KEY="sk-any") as shown:
            shown.read_until("/v1")
            address = shown.shown.partition("listens on ")[2].partition("/v1")[0]
            with stalled_request(address):
                shown.type(CTRL_C)
                shown.read_until("Ctrl-C again")
                shown.type(CTRL_C)
                assert shown.end() == -signal.SIGINT
            assert "Traceback" not in shown.shown


def test_one_that_waits_for_a_server_ends_without_a_word(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with forked_terminal("batches", "list", "--base-url", url, "--api-key", "k", cwd=tmp_path) as shown:
            connection, _ = silent.accept()
            with connection:
                shown.type(CTRL_C)
                assert shown.end() == 130
        assert shown.shown.replace("^C", "").strip() == ""
