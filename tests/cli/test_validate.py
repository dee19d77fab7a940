"""`litebatch files validate`: what an upload would say of a file, and what a batch on it costs."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.forks import run
from tests.harness import MODEL, Gateway, lines

ANOTHER = """\
  - model_name: another
    litellm_params: {model: openai/gpt-of-nobody, api_key: any}
    model_info: {id: nobodys}
"""
CONFIG = f"""\
model_list:
  - model_name: {MODEL}
    litellm_params: {{model: openai/gpt-4o-mini, api_key: any}}
    model_info: {{id: search-project}}
  - model_name: {MODEL}
    litellm_params: {{model: azure/own, api_base: "https://eu.example.com", api_key: any, api_version: v1}}
    model_info: {{id: eu, input_cost_per_token_batches: 0.01, output_cost_per_token_batches: "0.0002"}}
{ANOTHER}litebatch_settings: {{estimated_output_tokens: 70, max_file_lines: 5}}
"""
BAD = b"""\
{"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "%(m)s", "stream": true}}
{"custom_id": "1", "method": "GET", "url": "/v1/nowhere", "body": {"model": "other", "model": "%(m)s"}}

{"custom_id": "3", oops
\xff
""" % {b"m": MODEL.encode()}


def validate(folder: Path, content: bytes, *options: str, config: str | None = None) -> Any:
    (folder / "in.jsonl").write_bytes(content)
    if config is not None:
        (folder / "litebatch.yaml").write_text(config)
        options += ("--config", "litebatch.yaml")
    return run("files", "validate", "in.jsonl", *options, cwd=folder)


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_batch_is_priced_at_each_deployment(tmp_path: Path) -> None:
    content = lines(3, max_tokens=100)
    done = validate(tmp_path, content, config=CONFIG)
    assert (done.returncode, done.stderr) == (0, f"in.jsonl has no problems: 3 requests for {MODEL}\n")
    search, eu = rows(done)
    tokens = -(-len(content) // 4)
    cost = str((tokens * Decimal("0.01") + 300 * Decimal("0.0002")).normalize())
    assert eu == {
        "file": "in.jsonl",
        "model": MODEL,
        "endpoint": "/v1/chat/completions",
        "requests": 3,
        "input_tokens": tokens,
        "guessed_input_tokens": 0,
        "estimated_output_tokens": 300,
        "highest_output_tokens": 300,
        "deployment": "eu",
        "priced_as": "azure/own",
        "estimated_cost": cost,
        "highest_cost": cost,
        "price_source": "config",
    }
    assert (search["deployment"], search["priced_as"]) == ("search-project", "openai/gpt-4o-mini")
    assert search["price_source"].startswith("genai-prices ")


def test_answers_without_a_limit_are_told(tmp_path: Path) -> None:
    done = validate(tmp_path, lines(3, n=2), config=CONFIG)
    assert done.returncode == 0
    assert done.stderr.splitlines()[1] == "no limit on 6 answers: 70 tokens assumed for each"
    for row in rows(done):
        assert (row["estimated_output_tokens"], row["highest_output_tokens"]) == (420, None)
        assert row["highest_cost"] is None
        assert row["estimated_cost"] is not None


async def test_the_problems_are_those_of_an_upload(gateway: Gateway, tmp_path: Path) -> None:
    async with gateway.http() as http:
        refused = await http.post("/files", files={"file": ("in.jsonl", BAD)}, data={"purpose": "batch"})
    config = CONFIG.replace(ANOTHER, "")
    done = await anyio.to_thread.run_sync(partial(validate, tmp_path, BAD, config=config))
    assert done.returncode == 1
    assert done.stderr == "in.jsonl has 8 problems: an upload would be refused\n"
    expected = refused.json()["error"]["errors"]
    assert [row["line"] for row in expected] == [1, 2, 2, 2, 2, 2, 4, 5]
    assert rows(done) == expected


@pytest.mark.parametrize(
    ("content", "config", "code"),
    [
        (b"", CONFIG, "empty_file"),
        (lines(6), CONFIG, "too_many_tasks"),
        (lines(1, model="unknown"), CONFIG, "model_not_found"),
        (lines(1), CONFIG.replace("max_file_lines: 5", "max_file_bytes: 9"), "file_too_large"),
        (lines(1, model="another"), None, None),
    ],
)
def test_models_and_limits_are_those_of_the_configuration(
    tmp_path: Path, content: bytes, config: str | None, code: str | None
) -> None:
    done = validate(tmp_path, content, config=config)
    assert done.returncode == (0 if code is None else 1)
    assert [row.get("code") for row in rows(done)] == [code]


def test_without_a_configuration_a_providers_model_is_priced(tmp_path: Path) -> None:
    named, bare = (
        validate(tmp_path, lines(1), *options)
        for options in (("-m", "openai/gpt-4o-mini"), ("--model", "gpt-4o-mini"))
    )
    assert rows(named) == rows(bare)
    (row,) = rows(named)
    assert (row["model"], row["deployment"], row["priced_as"]) == (MODEL, None, "openai/gpt-4o-mini")
    assert Decimal(row["estimated_cost"]) > 0
    unknown = validate(tmp_path, lines(1), "-m", "nobody/x")
    assert unknown.returncode == 0
    assert rows(unknown)[0]["estimated_cost"] is None
    assert "no price for nobody/x: name a provider's model with -m, or a --config" in unknown.stderr


def test_a_price_of_the_configuration_that_is_unknown_is_told(tmp_path: Path) -> None:
    done = validate(tmp_path, lines(1, model="another"), config=CONFIG)
    assert "no price for openai/gpt-of-nobody: give it one in `model_info` or in" in done.stderr


def test_a_file_of_prices_counts(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(
        '{"gpt-of-nobody": {"input_cost_per_token_batches": 0.5, "output_cost_per_token_batches": 2}}'
    )
    config = CONFIG.replace("litebatch_settings: {", "litebatch_settings: {prices: prices.json, ")
    content = lines(1, model="another", max_tokens=3)
    (row,) = rows(validate(tmp_path, content, config=config))
    assert row["price_source"] == "file:prices.json"
    assert Decimal(row["estimated_cost"]) == -(-len(content) // 4) * Decimal("0.5") + 3 * 2


def test_the_model_of_the_lines_can_be_asked_for(tmp_path: Path) -> None:
    other = validate(tmp_path, lines(1), "-m", "another", config=CONFIG)
    assert other.returncode == 1
    assert rows(other)[0]["code"] == "mismatched_model"
    nobodys = validate(tmp_path, lines(1), "-m", "anothr", config=CONFIG)
    assert (nobodys.returncode, nobodys.stdout) == (2, "")
    assert nobodys.stderr.startswith("error: The model 'anothr' does not exist here. Did you mean 'another'?")


HERE = {"LITEBATCH_BASE_URL": "http://127.0.0.1:1/v1", "LITEBATCH_API_KEY": "any"}


@contextmanager
def pipe(path: Path, content: bytes) -> Generator[None]:
    """A pipe with a name, through which this comes to who reads it first."""
    os.mkfifo(path)

    def write() -> None:
        with suppress(BrokenPipeError):  # it was only looked at
            path.write_bytes(content)

    writer = threading.Thread(target=write)
    writer.start()
    yield
    writer.join()


@pytest.mark.parametrize(
    ("count", "told"), [(99, "99 problems"), (300, "100 problems, where the check stopped")]
)
def test_a_check_that_stops_early_says_so(tmp_path: Path, count: int, told: str) -> None:
    done = validate(tmp_path, b"oops\n" * count)
    assert f"in.jsonl has {told}: an upload would be refused" in done.stderr
    done = run("batches", "run", "in.jsonl", cwd=tmp_path, **HERE)
    assert f"in.jsonl has {told}: nothing was sent" in done.stderr


@pytest.mark.parametrize("command", [("files", "validate"), ("batches", "run")])
def test_problems_of_what_comes_through_a_pipe(tmp_path: Path, command: tuple[str, ...]) -> None:
    """They are told without the places, which would have to be read again."""
    with pipe(tmp_path / "pipe", b"{oops\n"):
        done = run(*command, "pipe", "--output", "table", cwd=tmp_path, **HERE)
    assert done.returncode == 1
    assert "not parseable" in done.stdout
    assert "^" not in done.stdout


def test_what_comes_through_a_pipe_is_not_run(tmp_path: Path) -> None:
    with pipe(tmp_path / "pipe", lines(1)):
        done = run("batches", "run", "pipe", "--yes", cwd=tmp_path, **HERE)
    assert done.returncode == 2
    assert "error: pipe is no file, and can be read only once: write it into one" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("nowhere.jsonl",), (".",), ("in.jsonl", "--config", "no.yaml")])
def test_wrong_use(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(1))
    done = run("files", "validate", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rror" in done.stderr


def test_plain_lines(tmp_path: Path) -> None:
    fine = validate(tmp_path, lines(2), "--output", "plain", "-m", "nobody/x")
    tokens = str(-(-len(lines(2)) // 4))
    assert fine.stdout == "\t".join(("nobody/x", "2", tokens, "1000", "", "", "", "unknown")) + "\n"
    bad = validate(tmp_path, b"{}", "--output", "plain")
    assert bad.stdout.splitlines()[0] == (
        "1\tmissing_required_parameter\tcustom_id\tMissing required parameter: 'custom_id'."
    )
