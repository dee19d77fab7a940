from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.auth.transport.requests import Request as GoogleRequest
from google.oauth2 import service_account

from litebatch_asgi.cli.serve import without_password
from litebatch_asgi.cli.simulate import parse_fault, parse_settings
from litebatch_asgi.errors import ConfigError
from tests import forks
from tests.cli.processes import COMMAND, SECONDS, environment, run
from tests.harness import lines


def test_help_names_the_commands(tmp_path: Path) -> None:
    ended = run("--help", cwd=tmp_path)
    assert ended.returncode == 0
    assert all(command in ended.stdout for command in ("serve", "demo", "simulate"))


PRINTING = (
    ("--help",),
    ("metrics", "--dashboard"),
    ("check", "--config", "litebatch.yaml"),
    ("files", "validate", "in.jsonl", "-m", "openai/gpt-4o-mini"),
    ("serve", "--config", "litebatch.yaml", "--port", "0"),
    ("simulate", "--port", "0"),
)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with what commands are given."""
    (tmp_path / "in.jsonl").write_bytes(lines(1))
    (tmp_path / "litebatch.yaml").write_text(
        "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: any}}]"
    )
    return tmp_path


@pytest.mark.parametrize("words", PRINTING, ids=lambda words: words[0])
def test_nothing_is_said_to_who_reads_no_more(given: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*COMMAND, *words],
        cwd=given,
        env=environment({}),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("words", PRINTING[:-2], ids=lambda words: words[0])
def test_a_command_without_stdout_does_what_it_does(given: Path, words: tuple[str, ...]) -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *words]
    ended = subprocess.run(
        closing, cwd=given, env=environment({}), stderr=subprocess.PIPE, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_takes_the_place_of_a_stdout_that_was_closed(tmp_path: Path) -> None:
    """Such as a database, into which all that is printed would go."""
    program = (
        "import os; from litebatch_asgi.cli import _open_what_is_closed; os.close(1); "
        "_open_what_is_closed(); assert os.path.samestat(os.fstat(1), os.stat(os.devnull))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize("missing", ["click", "rich", "uvicorn"])
def test_a_missing_extra_is_told_with_the_line_that_installs_it(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from litebatch_asgi.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "demo"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: the command line needs {missing}: pip install 'litebatch-asgi[server]'\n"
    )


def test_the_simulator_runs_alone_with_settings_and_faults(tmp_path: Path) -> None:
    options = ("--set", "running_seconds=5", "--fault", '{"call": "list_files", "status": 503}')
    with forks.running("simulate", "--port", "0", *options, cwd=tmp_path, until="steering") as simulator:
        assert max(map(len, simulator.told.splitlines())) <= 80
        answer = httpx2.get(f"{simulator.address}/_simulator/settings?account=a")
        assert answer.json()["running_seconds"] == 5
        headers = {"authorization": "Bearer x"}
        asked = [httpx2.get(f"{simulator.address}/a/v1/files", headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in asked] == [503, 200]
        assert simulator.stop() == 0
        assert simulator.log.read_text() == ""


def test_the_simulator_speaks_azure_too(tmp_path: Path) -> None:
    with forks.running(
        "simulate", "--port", "0", "--flavour", "azure", cwd=tmp_path, until="steering"
    ) as simulator:
        assert max(map(len, simulator.told.splitlines())) <= 80
        url = f"{simulator.address}/eu/openai/files?api-version=2024-10-21"
        assert httpx2.get(url, headers={"api-key": "any"}).json()["data"] == []
        assert httpx2.get(f"{simulator.address}/eu/v1/files").status_code == 404
        assert simulator.stop() == 0


def test_the_simulator_speaks_anthropic_too(tmp_path: Path) -> None:
    with forks.running(
        "simulate", "--port", "0", "--flavour", "anthropic", cwd=tmp_path, until="steering"
    ) as simulator:
        assert max(map(len, simulator.told.splitlines())) <= 80
        url = f"{simulator.address}/eu/v1/messages/batches"
        headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
        assert httpx2.get(url, headers=headers).json()["data"] == []
        assert simulator.stop() == 0


def test_the_simulator_is_an_inference_server_too(tmp_path: Path) -> None:
    options = ("--flavour", "vllm", "--set", 'latency={"seconds": 0.01}', "--set", "requests_per_minute=1")
    with forks.running("simulate", "--port", "0", *options, cwd=tmp_path, until="steering") as simulator:
        assert max(map(len, simulator.told.splitlines())) <= 80
        url = f"{simulator.address}/v1/completions"
        asked = [httpx2.post(url, json={"model": "m", "prompt": "hello"}) for _ in range(2)]
        assert [answer.status_code for answer in asked] == [200, 429]
        assert httpx2.get(f"{simulator.address}/_simulator/totals").json()["lines"] == 1
        with httpx2.Client(base_url=f"{simulator.address}/_simulator") as control:
            control.post("/down", json={})
            with pytest.raises(httpx2.ConnectError):
                httpx2.post(url, json={"model": "m", "prompt": "hello"})
            control.post("/up")
        assert httpx2.post(url, json={"model": "m", "prompt": "hello"}).status_code == 429
        assert simulator.stop() == 0
        assert simulator.log.read_text() == ""


def test_the_simulator_speaks_to_google_s_clients(tmp_path: Path) -> None:
    with forks.running(
        "simulate", "--port", "0", "--flavour", "vertex", cwd=tmp_path, until="steering"
    ) as simulator:
        assert max(map(len, simulator.told.splitlines())) <= 80
        (path,) = [line.strip() for line in simulator.told.splitlines() if line.endswith(".json")]
        told = httpx2.get(f"{simulator.address}/_simulator/credentials", params={"account": "eu"}).json()
        given = json.loads(Path(path).read_text())
        assert (given["token_uri"], told["token_uri"]) == (
            f"{simulator.address}/token",
            f"{simulator.address}/eu/token",
        )
        for info, base in ((given, simulator.address), (told, f"{simulator.address}/eu")):
            url = f"{base}/storage/v1/b/any/o"
            answer = httpx2.get(url, headers={"authorization": f"Bearer {_token(info)}"})
            assert answer.json() == {"kind": "storage#objects"}
            assert httpx2.get(url).status_code == 401
        assert simulator.stop() == 0
    assert not Path(path).exists()


def _token(info: dict[str, str]) -> str:
    """What Google's client gets for a service account."""
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials: Any = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        info, scopes=scopes
    )
    credentials.refresh(GoogleRequest())
    return str(credentials.token)


def test_the_simulators_port_may_be_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = forks.run("simulate", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.endswith("choose another with --port\n")


def test_settings_and_faults_that_are_not_understood_are_named() -> None:
    assert parse_settings(["running_seconds=2", "organization=org-1"]).organization == "org-1"
    with pytest.raises(ConfigError, match=r"--set runing=2: .*running_seconds"):
        parse_settings(["runing=2"])
    with pytest.raises(ConfigError, match=r"--set running_seconds: write it as name=value"):
        parse_settings(["running_seconds"])
    assert parse_fault('{"drop": true}').drop
    with pytest.raises(ConfigError, match=r"--fault drop: .*a fault is JSON"):
        parse_fault("drop")


def test_a_database_is_shown_without_its_password() -> None:
    assert without_password("postgresql://me:pw@host/db") == "postgresql://me:***@host/db"
    assert without_password("postgresql://me@host/db?password=a&b=c") == (
        "postgresql://me@host/db?password=***&b=c"
    )
    assert without_password("sqlite:///a.db") == "sqlite:///a.db"
