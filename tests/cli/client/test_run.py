"""`litebatch batches run`, without a terminal."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.client.servers import QUICKLY, Direct, Server, told
from tests.harness import MODEL, ids_of, lines, rows_of

RUN = ("batches", "run", "in.jsonl", "--yes", *QUICKLY)


def write(folder: Path, content: bytes) -> None:
    (folder / "in.jsonl").write_bytes(content)


def failing(count: int) -> bytes:
    """Requests of which the first fails."""
    first, rest = lines(1, metadata={"simulate": "400"}), lines(count).partition(b"\n")[2]
    return first + b"\n" + rest


def batches_of(server: Server, folder: Path) -> list[dict[str, Any]]:
    listed = server.litebatch("batches", "list", cwd=folder)
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_answers_and_errors_come_into_files(server: Server, folder: Path) -> None:
    write(folder, failing(4))
    done = server.litebatch(*RUN, "-o", "out.jsonl", cwd=folder)
    assert done.returncode == 3, done.stderr
    summary = told(done)
    assert (summary["status"], summary["requests"]) == ("completed", 4)
    assert (summary["completed"], summary["failed"], summary["missing_rows"]) == (3, 1, 0)
    assert (summary["output"], summary["errors"]) == ("out.jsonl", "out.errors.jsonl")
    assert ids_of((folder / "out.jsonl").read_bytes()) == ["request-1", "request-2", "request-3"]
    assert ids_of((folder / "out.errors.jsonl").read_bytes()) == ["request-0"]
    assert sorted(path.name for path in folder.iterdir()) == ["in.jsonl", "out.errors.jsonl", "out.jsonl"]
    assert (summary["cost"] is None) == isinstance(server, Direct)
    assert server.key not in done.stdout + done.stderr


def test_answers_and_errors_come_on_stdout(server: Server, folder: Path) -> None:
    """Errors last, and the summary in words on stderr."""
    write(folder, failing(3))
    done = server.litebatch(*RUN, "-o", "-", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert ids_of(done.stdout.encode()) == ["request-0", "request-1", "request-2"]
    assert json.loads(done.stdout.splitlines()[-1])["custom_id"] == "request-0"
    assert "has completed: 2 of 3 done, 1 failed" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["in.jsonl"]


def test_the_same_command_goes_on_with_the_same_batch(server: Server, folder: Path) -> None:
    """Without a question, and with what it had made; other metadata is another run."""
    write(folder, lines(2))
    first = server.litebatch(*RUN, cwd=folder)
    assert first.returncode == 0, first.stderr
    (folder / "in.results.jsonl").unlink()
    again = server.litebatch("batches", "run", "in.jsonl", *QUICKLY, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert told(first)["batch"] == told(again)["batch"]
    assert f"going on with {told(first)['batch']} of the same file" in again.stderr
    assert len(rows_of((folder / "in.results.jsonl").read_bytes())) == 2
    other = server.litebatch(*RUN, "--metadata", "try=2", cwd=folder)
    assert told(other)["batch"] != told(first)["batch"]
    made = batches_of(server, folder)
    assert [batch["id"] for batch in made] == [told(other)["batch"], told(first)["batch"]]
    assert made[0]["metadata"]["try"] == "2"


def test_a_batch_that_was_given_up_is_not_gone_on_with(server: Server, folder: Path) -> None:
    write(folder, lines(2))
    with server.holding(), server.on_terminal(*RUN, cwd=folder) as shown:
        shown.read_until("in_progress")
        (batch,) = batches_of(server, folder)
        cancelled = server.litebatch("batches", "cancel", batch["id"], cwd=folder)
        assert cancelled.returncode == 0, cancelled.stderr
        assert shown.end() == 3
        assert f"{batch['id']}  cancelled" in shown.shown
    again = server.litebatch(*RUN, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert f"{batch['id']} of the same file is cancelled: a new batch is made" in again.stderr
    assert told(again)["batch"] != batch["id"]
    last = server.litebatch(*RUN, cwd=folder)
    assert told(last)["batch"] == told(again)["batch"]


def test_a_retry_of_a_batch_is_not_taken_for_it(gateway: Server, folder: Path) -> None:
    write(folder, failing(2))
    first = gateway.litebatch(*RUN, cwd=folder)
    retried = gateway.litebatch("batches", "retry", told(first)["batch"], cwd=folder)
    assert retried.returncode == 0, retried.stderr
    assert told(retried)["metadata"]["litebatch_retry_of"] == told(first)["batch"]
    again = gateway.litebatch(*RUN, cwd=folder)
    assert told(again)["batch"] == told(first)["batch"]


def test_some_of_what_has_not_succeeded_runs_again(gateway: Server, folder: Path) -> None:
    rows = rows_of(lines(3))
    for row, status in zip(rows[:2], ("400", "429"), strict=True):
        row["body"]["metadata"] = {"simulate": status}
    write(folder, "\n".join(map(json.dumps, rows)).encode())
    batch = told(gateway.litebatch(*RUN, cwd=folder))["batch"]
    for choice, count in (
        (("--custom-id", "request-1"), 1),
        (("--error-code", "rate_limit_exceeded", "--error-code", "odd"), 1),
        (("--error-code", "rate_limit_exceeded", "--custom-id", "request-0"), 2),
    ):
        made = gateway.litebatch("batches", "retry", batch, *choice, cwd=folder)
        assert told(made)["request_counts"]["total"] == count
    for option, said in (("--error-code", "nothing to run"), ("--custom-id", "'custom_ids'")):
        refused = gateway.litebatch("batches", "retry", batch, option, "odd", cwd=folder)
        assert (refused.returncode, said in refused.stderr) == (1, True)


def test_another_model_is_written_into_what_is_sent(server: Server, folder: Path) -> None:
    """The file itself stays as it is, and a name may be longer or shorter."""
    content = lines(3, model="m")
    write(folder, content)
    done = server.litebatch(*RUN, "-m", MODEL, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"its lines name m: they are sent with {MODEL}" in done.stderr
    assert (folder / "in.jsonl").read_bytes() == content
    (batch,) = batches_of(server, folder)
    sent = server.litebatch("files", "content", batch["input_file_id"], cwd=folder)
    assert sent.stdout.encode() == lines(3)


def test_nothing_is_sent_without_a_yes(server: Server, folder: Path) -> None:
    write(folder, lines(1))
    done = server.litebatch("batches", "run", "in.jsonl", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nothing was sent: this asks first, and here is no terminal; to go on, use --yes" in done.stderr
    assert batches_of(server, folder) == []
    assert server.litebatch("files", "list", cwd=folder).stdout == ""


@pytest.mark.parametrize(
    ("content", "options", "code", "told"),
    [
        (b"{oops", (), 1, "in.jsonl has 1 problem: nothing was sent"),
        (lines(1), ("-o", "in.jsonl"), 2, "-o names the file of requests itself"),
        (lines(1), ("--endpoint", "/v1/embeddings"), 2, "--endpoint is /v1/embeddings, and the lines"),
        (lines(1), ("--metadata", "oops"), 2, "write it as NAME=VALUE"),
        (lines(1), ("--max-cost", "much"), 2, "write US dollars, such as 2.50"),
        (lines(1), ("--max-cost", "1e9999999"), 2, "write US dollars, such as 2.50"),
        (None, (), 2, "in.jsonl cannot be read"),
        (lines(1), ("-o", "."), 2, "-o .: that is a folder"),
        (lines(1), ("-o", ".."), 2, ".. cannot be written: it is a folder"),
        (lines(1), ("-o", "none/out.jsonl"), 2, "none/out.jsonl cannot be written: there is no folder none"),
        (lines(1), ("-o", "in.jsonl/out.jsonl"), 2, "cannot be written: there is no folder in.jsonl"),
        (lines(1), ("-o", 300 * "x"), 2, "cannot be written: File name too long"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    direct: Direct, folder: Path, content: bytes | None, options: tuple[str, ...], code: int, told: str
) -> None:
    if content is not None:
        write(folder, content)
    done = direct.litebatch(*RUN, *options, cwd=folder)
    assert done.returncode == code
    assert told in " ".join(done.stderr.split())
    assert direct.calls("upload_file") == 0
    assert {path.name for path in folder.iterdir()} <= {"in.jsonl"}


@pytest.mark.parametrize("out", ["night.jsonl", "./night.jsonl", "link.jsonl"])
def test_the_file_of_requests_is_not_taken_for_earlier_errors(direct: Direct, folder: Path, out: str) -> None:
    """Where errors would go, and what is there is removed if there are none."""
    requests = folder / "night.errors.jsonl"
    requests.write_bytes(lines(1))
    (folder / "link.errors.jsonl").symlink_to(requests)
    command = ("batches", "run", requests.name, "--yes", *QUICKLY, "-o", out)
    done = direct.litebatch(*command, cwd=folder)
    assert done.returncode == 2
    assert "its errors would go to the file of requests itself" in " ".join(done.stderr.split())
    joined = direct.litebatch(
        "batches", "results", "x", "--join", requests.name, "-o", requests.name, cwd=folder
    )
    assert joined.returncode == 2
    assert requests.read_bytes() == lines(1)


@pytest.mark.parametrize("file", [".", "/", "", "link.jsonl"])
def test_what_is_no_file_of_requests_is_named(direct: Direct, folder: Path, file: str) -> None:
    (folder / "link.jsonl").symlink_to("link.jsonl")
    done = direct.litebatch("batches", "run", file, "--yes", *QUICKLY, cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{Path(file)} cannot be read: " in " ".join(done.stderr.split())
    write(folder, lines(1))
    done = direct.litebatch(*RUN, "-o", "link.jsonl", cwd=folder)
    assert done.returncode == 2
    assert "link.jsonl cannot be written: Too many levels" in done.stderr
    assert direct.calls("upload_file") == 0


def test_the_gateway_s_own_price_counts(gateway: Server, folder: Path) -> None:
    """Nobody else knows it: what it comes to is asked for before the batch is created."""
    write(folder, lines(1, max_tokens=100))
    dear = gateway.litebatch(*RUN, "--max-cost", "0.01", cwd=folder)
    assert dear.returncode == 1
    assert "error: the batch is estimated to cost $0." in dear.stderr
    assert "and --max-cost is 0.01\nfile-lb" in dear.stderr
    assert batches_of(gateway, folder) == []
    with gateway.on_terminal("batches", "run", "in.jsonl", *QUICKLY, cwd=folder) as shown:
        shown.read_until("[y/N]: ")
        shown.type("y\n")
        shown.read_until("Create the batch? [y/N]: ")
        assert "The gateway's estimate is $0." in shown.shown
        shown.type("n\n")
        assert shown.end() == 1
    assert batches_of(gateway, folder) == []
    fine = gateway.litebatch(*RUN, "--max-cost", "5", cwd=folder)
    assert fine.returncode == 0, fine.stderr
    assert float(told(fine)["cost"]) > 0


def test_a_limit_of_costs_holds_where_nobody_knows_them(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    done = direct.litebatch(*RUN, "--max-cost", "5", cwd=folder)
    assert done.returncode == 1
    assert f"--max-cost is 5, and nobody knows what openai/{MODEL} costs" in done.stderr
    dear = direct.litebatch(*RUN, "--max-cost", "0.0001", "-m", "gpt-4o", cwd=folder)
    assert dear.returncode == 1
    assert "and --max-cost is 0.0001" in dear.stderr
    assert direct.calls("create_batch") == 0


def test_problems_that_the_server_finds_are_shown_with_their_lines(gateway: Server, folder: Path) -> None:
    write(folder, lines(2, model="unknown"))
    done = gateway.litebatch(*RUN, "--output", "table", cwd=folder)
    assert done.returncode == 1
    assert "The model 'unknown' does not exist here" in done.stdout
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    shown, mark = next(pair for pair in pairwise(printed) if pair[1].endswith("^"))
    assert shown[mark.index("^") :].startswith('"unknown"')
    assert "to go on:\n  litebatch batches run in.jsonl" in done.stderr


def test_errors_of_an_earlier_run_do_not_stay(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    (folder / "in.results.errors.jsonl").write_text("old")
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "in.results.errors.jsonl").exists()
    assert "of an earlier run is removed" in done.stderr


def test_a_batch_that_fails_as_a_whole(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    direct.fault(call="validate_batch", code="token_limit_exceeded", message="Too \x1b[31mmuch.")
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 3
    assert told(done)["status"] == "failed"
    assert "error: Too \\x1b[31mmuch." in done.stderr


def test_a_create_that_is_refused_has_made_nothing(direct: Direct, folder: Path) -> None:
    """Unless an earlier try was not answered: that one may have."""
    write(folder, lines(1))
    refused = direct.fault(call="create_batch", status=400, times=None)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 1
    assert "was uploaded, and no batch was created; to go on:" in done.stderr
    direct.lift(refused)
    direct.fault(call="create_batch", drop=True)
    direct.fault(call="create_batch", status=400, times=None)
    done = direct.litebatch(*RUN, cwd=folder)
    assert done.returncode == 1
    assert "it is not known whether a batch was created; to go on:" in done.stderr


def test_results_that_are_gone_are_not_promised(direct: Direct, folder: Path) -> None:
    write(folder, lines(1))
    first = direct.litebatch(*RUN, cwd=folder)
    assert first.returncode == 0, first.stderr
    batch = json.loads(direct.litebatch("batches", "get", told(first)["batch"], cwd=folder).stdout)
    assert direct.litebatch("files", "delete", batch["output_file_id"], "--yes", cwd=folder).returncode == 0
    again = direct.litebatch(*RUN, cwd=folder)
    assert again.returncode == 1
    assert "has completed, and its results are deleted or have expired" in again.stderr
    anew = shlex.split(again.stderr.splitlines()[-1])[1:]
    assert direct.litebatch(*anew, cwd=folder).returncode == 0, anew
    assert direct.calls("create_batch") == 2
