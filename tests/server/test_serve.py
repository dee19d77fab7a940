"""`litebatch serve` in front of `litebatch simulate`, both as processes of their own."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from litebatch_asgi.cli import main
from tests import forks
from tests.cli.processes import SECONDS, Running, run, running
from tests.harness import MODEL, lines

MASTER = "mk-hidden-master"
SECRETS = (MASTER, "sk-hidden-east", "sk-hidden-west", "sk-somebody-else")
SETTINGS = "{min_poll_seconds: 0.05, max_poll_seconds: 0.2, refresh_after_seconds: 0.05}"


def config(provider: str) -> str:
    accounts = "".join(
        f"""
  - model_name: {MODEL}
    litellm_params:
      model: openai/m-{name}
      api_base: {provider}/{name}/v1
      api_key: os.environ/{name}
      rpm: 5
    model_info: {{mode: batch, id: {name}}}"""
        for name in ("east", "west")
    )
    return f"""
model_list:{accounts}
  - {{model_name: "*", litellm_params: {{model: bedrock/*, api_key: os.environ/NOT_ASKED_FOR}}}}
general_settings:
  master_key: os.environ/MASTER
litebatch_settings: {SETTINGS}
router_settings: {{}}
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("simulator")
    with forks.running("simulate", "--port", "0", cwd=folder, until="steering") as started:
        yield started.address


@pytest.fixture(scope="module")
def served(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "litebatch.yaml").write_text(config(simulator))
    environment = {"MASTER": MASTER, "east": SECRETS[1], "west": SECRETS[2]}
    options = ("--config", "litebatch.yaml", "--port", "0", "--host", "0.0.0.0")
    with running("serve", *options, cwd=folder, until="  key", **environment) as started:
        yield started
        assert [line for line in log_lines(started) if line["level"] == "error"] == []


@pytest.fixture(scope="module")
def address(served: Running) -> str:
    return served.address.replace("0.0.0.0", "127.0.0.1")


@pytest.fixture(scope="module")
def http(address: str) -> Generator[httpx2.Client]:
    headers = {"authorization": f"Bearer {MASTER}"}
    with httpx2.Client(base_url=address, headers=headers, trust_env=False) as client:
        yield client


def ended(client: openai.OpenAI, batch_id: str) -> Any:
    """Poll until the batch has ended."""
    while True:
        batch = client.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            return batch
        time.sleep(0.05)


def log_lines(served: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.log.read_text().splitlines()]


def test_the_stock_client_gets_its_results(address: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=MASTER) as client:
        file = client.files.create(file=("in.jsonl", lines()), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        batch = ended(client, batch.id)
        assert batch.status == "completed"
        rows = client.files.content(batch.output_file_id).text.splitlines()
        assert sorted(json.loads(row)["custom_id"] for row in rows) == ["request-0", "request-1", "request-2"]


def test_it_tells_at_the_start_what_it_serves(served: Running, simulator: str) -> None:
    told = served.told.splitlines()
    assert told[0].startswith("LiteBatch 0.")
    assert told[0].endswith(f"listens on {served.address}/v1")
    assert told[1:] == [
        f"  model     {MODEL}",
        f"            east  openai/m-east at {simulator}/east/v1",
        f"            west  openai/m-west at {simulator}/west/v1",
        "  database  sqlite:///litebatch.db",
        f"  page      {served.address}/ui",
        "  key       the master key, or one made with it, as `Authorization: Bearer`",
    ]


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_path_stands_with_and_without_v1(http: httpx2.Client, prefix: str) -> None:
    models = http.get(f"{prefix}/models").json()
    assert [model["id"] for model in models["data"]] == [MODEL]
    (group,) = http.get(f"{prefix}/model_group/info").json()["data"]
    assert (group["model_group"], group["providers"], group["mode"]) == (MODEL, ["openai"], "batch")
    assert http.get(f"{prefix}/batches").json()["object"] == "list"
    for name in ("liveliness", "liveness", "readiness"):
        answer = http.get(f"{prefix}/health/{name}", headers={"authorization": ""})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/nowhere", "/v1/v1/files", "/health/x", "/v1/files/a/b"]
)
def test_an_unknown_path_is_told_in_openais_words(http: httpx2.Client, path: str) -> None:
    answer = http.get(path, headers={"x-request-id": "mine"})
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers.get_list("x-request-id") == ["mine"]


def test_health_is_for_reading_only(http: httpx2.Client) -> None:
    assert http.post("/health/readiness").status_code in (404, 405)


def test_a_wrong_key_is_told_in_openais_words(http: httpx2.Client) -> None:
    for header in ("Bearer sk-somebody-else", ""):
        answer = http.get("/v1/files", headers={"authorization": header})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["x-request-id"]


def test_each_request_is_one_line_of_json(http: httpx2.Client, served: Running) -> None:
    http.get("/v1/models", headers={"x-request-id": "seen-1"})
    http.get("/v1/files?limit=zero", headers={"x-request-id": "seen-2"})
    by_id: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + SECONDS
    while not by_id.keys() >= {"seen-1", "seen-2"}:  # a line is written when its answer has gone out
        assert time.monotonic() < until, by_id
        by_id = {line["request_id"]: line for line in log_lines(served) if "request_id" in line}
    assert (
        by_id["seen-1"].items()
        >= {
            "level": "info",
            "logger": "litebatch_asgi.access",
            "method": "GET",
            "path": "/v1/models",
            "status": 200,
            "owner": "master",
        }.items()
    )
    assert (by_id["seen-2"]["status"], by_id["seen-2"]["path"]) == (400, "/v1/files")


def test_one_warning_names_what_has_no_effect(served: Running) -> None:
    warnings = [line["message"] for line in log_lines(served) if line["level"] == "warning"]
    assert [warning for warning in warnings if warning.startswith("litebatch.yaml")] == [
        "litebatch.yaml: LiteBatch does not use 2 settings: 2 for where calls go "
        "(router_settings, litellm_params.rpm); not served: bedrock/*; "
        "`litebatch check --config litebatch.yaml` tells more"
    ]


def test_no_secret_is_ever_told(served: Running, http: httpx2.Client) -> None:
    http.get("/v1/files", headers={"authorization": "Bearer sk-somebody-else"})
    told = served.told + served.log.read_text()
    assert not [secret for secret in SECRETS if secret in told]


def test_it_needs_nothing_but_a_key_of_openai_and_ends_in_order(simulator: str, tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "sk-own", "OPENAI_BASE_URL": f"{simulator}/own/v1"}
    with forks.running("serve", "--port", "0", cwd=tmp_path, until="  key", **environment) as served:
        assert "  model     *\n" in served.told
        assert "any bearer token" in served.told
        with openai.OpenAI(base_url=f"{served.address}/v1", api_key="x") as client:
            file = client.files.create(file=("in.jsonl", lines(model="openai/gpt-4o")), purpose="batch")
            assert client.files.content(file.id).content == lines(model="openai/gpt-4o")
        sent = httpx2.get(f"{simulator}/_simulator/journal?account=own&call=upload_file").json()["entries"]
        assert [entry["api_key"] for entry in sent] == ["sk-own"]
        assert served.stop() == 0
        assert "Traceback" not in served.log.read_text()
    assert (tmp_path / "litebatch.db").exists()


def test_a_port_that_is_taken_is_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = forks.run("serve", "--port", port, cwd=tmp_path, OPENAI_API_KEY="sk-own")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: port {port} of 127.0.0.1 is in use: end what listens there, or choose another with --port\n"
    )


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.7"])
def test_a_host_that_is_not_this_machine_is_told(tmp_path: Path, host: str) -> None:
    """Source of the address: RFC 5737, nobody has it."""
    environment = {"OPENAI_API_KEY": "sk-own", "LITEBATCH_MASTER_KEY": "sk-master-of-this-test"}
    ended = forks.run("serve", "--host", host, "--port", "0", cwd=tmp_path, **environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: this machine has no address '{host}' to listen on (")
    assert "with --host choose 127.0.0.1" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "error: nothing to serve."),
        (["--config", "nowhere.yaml"], {}, "error: there is no nowhere.yaml"),
        (["--config", "bad.yaml"], {}, "error: bad.yaml: model_list: names no model"),
        (["--host", "0.0.0.0"], {"OPENAI_API_KEY": "k"}, "error: without a master key the gateway listens"),
        (["--workers", "2"], {"OPENAI_API_KEY": "k"}, "error: 2 workers need PostgreSQL"),
        (["--database", "oracle://x"], {"OPENAI_API_KEY": "k"}, "error: no storage for 'oracle'"),
        ([], {"OPENAI_API_KEY": "k", "LITEBATCH_FAILPOINTS": "a=jump"}, "error: LITEBATCH_FAILPOINTS: "),
    ],
)
def test_what_cannot_be_served_is_told_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    message: str,
) -> None:
    (tmp_path / "bad.yaml").write_text("model_list: []")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["litebatch", "serve", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert told.err.startswith(message)


def test_the_process_shows_no_traceback(tmp_path: Path) -> None:
    ended = run("serve", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: nothing to serve. Either name a configuration:\n")
    assert "Traceback" not in ended.stderr
