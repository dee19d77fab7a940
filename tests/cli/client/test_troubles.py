"""What goes wrong between the command and a server, and what comes of it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from litebatch_asgi.cli.client.api import API
from litebatch_asgi.cli.client.connection import Call, Connection, Patience
from litebatch_asgi.cli.client.errors import NoAnswer, WrongAnswer
from litebatch_asgi.cli.client.server import Server as ServerChoice
from tests.cli.client.servers import Direct, told
from tests.cli.client.test_run import RUN, batches_of, write
from tests.forks import run
from tests.harness import ids_of, lines

AT_ONCE = {"retry-after-ms": "1"}
EVIL = "no \x1b]0;pwned\x07\x9b2J \u202eevil"


@pytest.mark.parametrize(
    "fault",
    [
        {"call": "upload_file", "status": 429, "headers": AT_ONCE},
        {"call": "upload_file", "drop": True},
        {"call": "upload_file", "cut_request_after": 200},
        {"call": "create_batch", "status": 503, "headers": AT_ONCE},
        {"call": "create_batch", "drop": True, "when": "after"},
        {"call": "create_batch", "status": 504, "when": "after"},
        {"call": "retrieve_batch", "status": 500, "times": 2},
        {"call": "retrieve_batch", "cut_after": 20},
        {"call": "list_batches", "drop": True},
        {"call": "stream_file", "cut_after": 100},
        {"call": "stream_file", "short_after": 100},
        {"call": "run_batch", "ids_late": 3},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_passing_troubles_are_overcome(direct: Direct, folder: Path, fault: dict[str, Any]) -> None:
    """With one batch, however often it was asked for, and with results that are whole."""
    write(folder, lines(3))
    armed = direct.fault(**fault)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert direct.call(lambda: armed.struck) > 0
    assert ids_of((folder / "in.results.jsonl").read_bytes()) == ["request-0", "request-1", "request-2"]
    assert direct.calls("create_batch") == 1
    is_told = "ids_late" not in fault and "short_after" not in fault
    assert ("(try 2 of " in done.stderr) is is_told


def test_a_download_that_is_cut_begins_anew(direct: Direct, folder: Path) -> None:
    write(folder, lines(400, messages=[{"role": "user", "content": "x" * 300}]))
    cut = direct.fault(call="stream_file", cut_after=150_000)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert direct.call(lambda: cut.struck) == 1
    rows = (folder / "in.results.jsonl").read_bytes()
    assert len(rows) > 150_000
    assert len(set(ids_of(rows))) == len(rows.splitlines()) == 400


def test_a_server_that_never_answers_is_given_up(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    direct.fault(call="create_batch", status=429, headers=AT_ONCE | {"x-should-retry": "true"}, times=None)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 1
    assert "(try 8 of 8)" in done.stderr
    assert "(try 9" not in done.stderr
    assert "to go on:\n  litebatch batches run in.jsonl" in done.stderr


@pytest.mark.parametrize(
    "headers", [{"x-should-retry": "false"}, {"retry-after": "3600"}, {"retry-after": "inf"}]
)
def test_a_server_that_wants_no_other_try_is_heard(
    direct: Direct, folder: Path, headers: dict[str, str]
) -> None:
    direct.fault(call="list_batches", status=429, headers=headers)
    done = direct.litebatch("batches", "list", cwd=folder)
    assert done.returncode == 1
    assert "again" not in done.stderr
    assert "Traceback" not in done.stderr
    assert ("it asks to wait for 1h" in done.stderr) is (headers.get("retry-after") == "3600")


def test_rows_that_do_not_come_are_told(direct: Direct, folder: Path) -> None:
    """They may come later: the same command reads them again."""
    write(folder, lines(8))
    late = direct.fault(call="stream_file", rows_share=0.5, times=None)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 3, done.stderr
    assert told(done)["missing_rows"] == 4
    assert "4 rows missing: the same command reads them again" in done.stderr
    direct.lift(late)
    again = direct.litebatch(*RUN, cwd=folder)
    assert (again.returncode, told(again)["missing_rows"]) == (0, 0)


def test_what_a_server_says_does_nothing_to_a_terminal(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    direct.fault(call="validate_batch", code="evil", message=EVIL)
    with direct.on_terminal(*RUN, "--metadata", f"x={EVIL}", cwd=folder) as shown:
        assert shown.end() == 3
        assert "error: no \\x1b]0;pwned\\x07\\x9b2J \\u202eevil" in " ".join(shown.shown.split())
        assert_harmless(shown.raw)
    batch_id = batches_of(direct, folder)[0]["id"]
    for form in ("table", "json", "plain"):
        with direct.on_terminal("batches", "get", batch_id, "--output", form, cwd=folder) as shown:
            assert shown.end() == 0
            assert_harmless(shown.raw)
    direct.fault(call="retrieve_batch", status=400, message=EVIL)
    with direct.on_terminal("batches", "get", batch_id, cwd=folder) as shown:
        assert shown.end() == 1
        assert "\\u202eevil" in shown.shown
        assert_harmless(shown.raw)


def test_custom_ids_and_contents_do_nothing_to_a_terminal(direct: Direct, folder: Path) -> None:
    row = json.loads(lines(1))
    row["custom_id"] = EVIL
    row["body"]["messages"][0]["content"] = EVIL
    write(folder, json.dumps(row, ensure_ascii=False).encode())
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    (batch,) = batches_of(direct, folder)
    reads = (
        ("batches", "results", batch["id"]),
        ("batches", "results", batch["id"], "--format", "csv"),
        ("batches", "results", batch["id"], "--join", "in.jsonl"),
        ("files", "content", batch["input_file_id"]),
    )
    for arguments in reads:
        with direct.on_terminal(*arguments, cwd=folder) as shown:
            assert shown.end() == 0, shown.shown
            assert "pwned" in shown.shown
            assert_harmless(shown.raw)
        piped = direct.litebatch(*arguments, cwd=folder)
        assert "\\x1b" not in piped.stdout  # what goes into a file is what it is


def assert_harmless(raw: str) -> None:
    assert not {"\x07", "\x9b", "\u202e"} & set(raw)
    assert "\x1b]" not in raw


def test_the_key_is_told_to_nobody(direct: Direct, folder: Path) -> None:
    """Not even where the server repeats it."""
    direct.fault(call="list_batches", status=401, message=f"Incorrect API key provided: {direct.key}.")
    done = direct.litebatch("batches", "list", cwd=folder)
    assert done.returncode == 1
    assert "Incorrect API key provided: [key]. (401 from GET /batches)" in done.stderr
    write(folder, lines(1))
    direct.fault(call="upload_file", status=400)
    environ = {"LITEBATCH_API_KEY": ""}
    given = direct.litebatch(*RUN, "--api-key", direct.key, "--base-url", direct.url, cwd=folder, **environ)
    assert given.returncode == 1
    assert f"--base-url {direct.url}" in given.stderr
    assert direct.key not in given.stdout + given.stderr


def test_the_key_is_not_told_where_it_is_led_to(folder: Path) -> None:
    head = b"302 Found\r\nlocation: http://other/?key=sk-secret-of-all"
    with answering(http(b"", head)) as url:
        done = run("batches", "get", "x", "--base-url", url, "--api-key", "sk-secret-of-all", cwd=folder)
    assert done.returncode == 1
    assert "was redirected to http://other/?key=[key]:" in done.stderr


@contextmanager
def answering(answer: bytes) -> Generator[str]:
    """A server that answers everything with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def http(body: bytes, head: bytes = b"200 OK\r\ncontent-type: text/html") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (head, len(body), body)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (http(b"<html>"), "GET /batches/x was answered with something else than a JSON object: is"),
        (http(b"[]"), "something else than a JSON object"),
        (http(b'{"no": 1}'), "the server was asked for a batch and told of something else, with no: is it"),
        (http(b'{"id": "\\ud800", "status": "x"}'), "something else than a JSON object"),
        (http(b"<html>", b"404 Not Found"), "answered with 404: look at the id and the base URL"),
        (http(b"", b"302 Found\r\nlocation: http://evil/"), "was redirected to http://evil/"),
        (http(b'{"detail": "No."}', b"403 Forbidden"), "No. (403 from GET /batches/x)"),
        (
            http(gzip.compress(b'{"id":"b","status":"x"}'), b"200 OK\r\ncontent-encoding: gzip"),
            "GET /batches/x was answered with compressed content, which was not asked for",
        ),
        (
            http(gzip.compress(b"{}"), b"404 Not Found\r\ncontent-encoding: gzip, gzip"),
            "compressed content, which was not asked for",
        ),
        (http(b'{"id":"b","status":"x","created_at":1e300,"request_counts":7,"metadata":[]}'), None),
    ],
)
def test_wrong_answers(folder: Path, answer: bytes, told: str | None) -> None:
    with answering(answer) as url:
        done = run("batches", "get", "x", "--base-url", url, "--api-key", "any", cwd=folder)
    assert done.returncode == (0 if told is None else 1)
    assert (told or "") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("cost", ["NaN", "sNaN", "-Infinity", "much", "1e99", "-2", "9" * 5000])
def test_costs_that_are_none(folder: Path, cost: str) -> None:
    batch = {"id": "b", "status": "completed", "litebatch": {"cost": cost}}
    with answering(http(json.dumps(batch).encode())) as url:
        command = ("batches", "get", "x", "--base-url", url, "--api-key", "any", "--output", "table")
        done = run(*command, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cost" not in done.stdout


def test_an_answer_that_trickles_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litebatch_asgi.cli.client.low_speed.LOW_SPEED_SECONDS", 0.05)
    answered: list[int] = []

    class Trickling(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answered.append(0)
            self.send_response(200)
            self.send_header("content-length", "1000000")
            self.end_headers()
            with suppress(OSError):
                for answered[-1] in range(1_000_000):
                    self.wfile.write(b" ")
                    time.sleep(0.01)

        def log_message(self, format: str, *args: object) -> None:
            pass

    patience = Patience(tries=2, first_rest_seconds=0.01)
    with (
        served(Trickling) as url,
        Connection(ServerChoice(base_url=url, api_key="any"), print, patience) as slow,
        pytest.raises(NoAnswer, match=r"sends almost nothing: [0-9]+ bytes so far"),
    ):
        slow.call(Call(method="GET", path="/batches"))
    assert len(answered) == 2
    assert max(answered) < 1000


@pytest.mark.parametrize("is_late", [False, True])
def test_an_answer_that_is_used_slowly_or_begins_late_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """A pager takes its time for each block; a server that looks at a whole file may say 200 long before."""
    monkeypatch.setattr("litebatch_asgi.cli.client.low_speed.LOW_SPEED_SECONDS", 0.1)
    sizes = [500] if is_late else [2000, 2000, 500]
    asked = threading.Semaphore(0)

    class Patient(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(sum(sizes)))
            self.end_headers()
            for size in sizes:
                asked.acquire()
                time.sleep(0.2 if is_late else 0.0)
                self.wfile.write(b" " * size)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with (
        served(Patient) as url,
        Connection(ServerChoice(base_url=url, api_key="any"), print) as connection,
        connection.stream("/files/x/content") as stream,
    ):
        asked.release()
        came = 0
        for block in stream.blocks:
            came += len(block)
            asked.release()
            time.sleep(0.0 if is_late else 0.2)
        assert came == sum(sizes)


def test_a_list_without_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page has another event."""
    monkeypatch.setattr("litebatch_asgi.cli.client.api.MOST_PAGES", 20)

    class Endless(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            Endless.asked += 1
            body = b'{"data": [{"id": "evt_%d"}], "has_more": true}' % Endless.asked
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Endless) as url, Connection(ServerChoice(base_url=url, api_key="any"), print) as connection:
        with pytest.raises(WrongAnswer, match="a list without an end: 20 pages of it have come"):
            list(API(connection).events("batch_1", None))
        assert Endless.asked == 20


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Generator[str]:
    """A server of these answers."""
    with HTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http_server.server_port}/v1"
        finally:
            http_server.shutdown()
            thread.join()


def test_no_server(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    write(folder, lines(1))
    with_key = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "any"}
    done = run("batches", "get", "x", cwd=folder, **with_key)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} cannot be reached" in done.stderr


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_virtual_models_are_found_below_and_beside_the_api(prefix: str) -> None:
    """LiteLLM has them beside it."""

    class Routes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == f"{prefix}/model_group/info"
            body = b'{"data": [{"model_group": "m"}, {}]}' if found else b"<html>"
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Routes) as url, Connection(ServerChoice(base_url=url, api_key="any"), print) as connection:
        assert API(connection).virtual_models() == ["m"]
