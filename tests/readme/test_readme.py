"""What the READMEs show is what works."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace
from openai import OpenAI

from litebatch_asgi import errors
from litebatch_asgi.config import parse_config
from litebatch_asgi.file_events import COPIED, COPY_FAILED
from litebatch_asgi.models import Settings
from litebatch_asgi.wire.events import SENTENCES
from tests.cli.examples import assert_parses
from tests.cli.processes import environment
from tests.harness import QUICK, running_gateway
from tests.readme.snippets import README, ROOT, snippets, under
from tests.survival.server import free_port
from tests.webhooks.taking import completed, taker

PORTS = ("4000", "4001", "4002", "9000")
SECONDS = 180
SINKS = ROOT / "litebatch_asgi" / "sinks" / "README.md"
PARTS = (*ROOT.glob("*/README.md"), *ROOT.glob("litebatch_asgi/*/README.md"))
NOT_TOLD = frozenset({None, "internal_error"})
"""codes of whole classes of errors that the table leaves out"""
LITELLM = """
model_list:
  - model_name: gpt-4o-batch
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY}
router_settings: {num_retries: 2}
litellm_settings: {success_callback: [langfuse]}
"""


def here(**extra: str) -> dict[str, str]:
    """The environment of somebody who has LiteBatch installed."""
    return environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **extra})


@contextmanager
def shell(
    folder: Path, blocks: Iterable[str], *, environment: Mapping[str, str], seconds: float = SECONDS
) -> Generator[str]:
    """Run blocks as one script, with free ports in place of its own; what it prints.

    What the script starts in the background runs on until the end.
    """
    script = "\n".join(blocks)
    for port in PORTS:
        script = re.sub(rf"\b{port}\b", str(free_port()), script)
    stdout, stderr = folder / "stdout", folder / "stderr"
    with stdout.open("w") as out, stderr.open("w") as err:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        assert process.wait(seconds) == 0, stderr.read_text()
        yield stdout.read_text()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_quick_start_leads_to_results(tmp_path: Path) -> None:
    (python,) = under("Quick start", "python")
    (config,), (answer,) = under("Money", "yaml"), under("Money", "json")
    blocks = [
        *under("Quick start", "bash"),
        f"python - <<'END'\n{python}END",
        *under("Page and command line", "bash"),
        'curl -sL --cookie-jar cookies "${URL%/v1}/ui" | grep -o "API key"',
        f"cat > money.yaml <<'END'\n{config}END",
        *under("Money", "bash"),
    ]
    with shell(tmp_path, blocks, environment=here()) as told:
        assert "completed" in told.split()
        assert told.count('"custom_id"') == 4, told
        assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 2
        assert "API key" in told
        refused, shown = json.loads(told[told.rindex('{"error"') :]), json.loads(answer)
        shown["error"]["budget"]["budget_reset_at"] = next_month()
        assert refused == shown


def next_month() -> str:
    """When a budget of `30d` begins anew."""
    later = datetime.now(UTC).date().replace(day=28) + timedelta(days=4)
    return f"{later.replace(day=1)}T00:00:00+00:00"


def test_it_runs_beside_litellm(tmp_path: Path) -> None:
    (tmp_path / "litellm.yaml").write_text(LITELLM)
    ready = "curl -s --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:4001/health/readiness"
    blocks = [*under("Beside LiteLLM on one machine", "bash"), ready]
    with shell(tmp_path, blocks, environment=here(OPENAI_API_KEY="sk-any")) as told:
        assert "gpt-4o-batch" in told
        assert (tmp_path / "litebatch.db").exists()


def test_the_configuration_is_one() -> None:
    (text,) = under("Several deployments", "yaml")
    names = ("OPENAI_KEY_SEARCH", "AZURE_API_KEY", "LITEBATCH_MASTER_KEY", "TENANT")
    variables = dict.fromkeys(names, "k") | {"AZURE_API_BASE": "https://eu.example.com"}
    config = parse_config(text, variables, "README.md")
    assert [deployment.id for deployment in config.deployments] == ["search-project", "eu-general"]
    assert config.warnings == ()


def test_the_gateways_are_made() -> None:
    """Each goes on where the one before it ended, as a reader would."""
    made: dict[str, object] = {}
    for text in under("In your own gateway", "python"):
        exec(compile(text, "README.md", "exec"), made)
        assert type(made["app"]).__name__ == "FastAPI"
    assert type(made["litebatch"]).__name__ == "LiteBatch"


async def test_an_owner_is_told_of_its_batches(tmp_path: Path) -> None:
    """By the client of the quick start."""
    (text,) = under("Webhooks", "python")
    settings = replace(QUICK, webhook_keys=("k" * 32,), webhooks_to_private_addresses=True)
    async with taker() as receiver, running_gateway(tmp_path, settings=settings) as gateway:
        with OpenAI(base_url=f"{gateway.address}/v1", api_key="alice") as client:
            made: dict[str, Any] = {"client": client}
            code = compile(
                text.replace("https://example.com/hooks", receiver.url("hook")), "README.md", "exec"
            )
            await anyio.to_thread.run_sync(exec, code, made)
            batch_id = await completed(gateway)
            await receiver.until(lambda: bool(receiver.taken))
            [taken] = receiver.taken
            assert made["receive"](taken.body, taken.headers) == batch_id


async def test_a_host_is_told_of_what_happens(tmp_path: Path) -> None:
    (text,) = under("Events and sinks", "python", SINKS)
    billed: list[tuple[str, str, str | None]] = []

    async def invoice(event_id: str, owner: str, cost: str | None) -> None:
        billed.append((event_id, owner, cost))

    made: dict[str, Any] = {"__name__": "billing", "invoice": invoice}
    exec(compile(text, "README.md", "exec"), made)
    prices = {"input_cost_per_token": Decimal(1), "output_cost_per_token": Decimal(1)}
    async with running_gateway(tmp_path, prices=prices, sinks=[made["bill"]]) as gateway:
        await completed(gateway)

        async def is_billed() -> bool:
            return bool(billed)

        await gateway.eventually(is_billed)
    [(event_id, owner, cost)] = billed
    assert event_id.startswith("evt_lb")
    assert owner == gateway.caller
    assert Decimal(cost or 0) > 0


def test_every_event_is_told() -> None:
    told = [each for types, _ in rows("Events", SINKS) for each in re.findall(r"`([^`]+)`", types)]
    assert sorted(told) == sorted({*SENTENCES, COPIED, COPY_FAILED})


@pytest.mark.parametrize("snippet", [each for each in snippets() if each.language == "python"])
def test_python_is_python(snippet: tuple[str, str, str]) -> None:
    ast.parse(snippet[2])


def rows(heading: str, file: Path = README) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    part = file.read_text().partition(f"# {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_setting_is_told_with_its_default() -> None:
    told = {
        name.strip("`"): default
        for name, default, _ in rows("Settings", ROOT / "litebatch_asgi" / "config" / "README.md")
    }
    settings = Settings()
    assert list(told) == list(Settings.__struct_fields__)
    for name, default in told.items():
        value: Any = getattr(settings, name)
        if isinstance(value, (str, bool)):
            assert default == f"`{str(value).lower() if isinstance(value, bool) else value}`"
        elif isinstance(value, tuple):
            members = cast("tuple[str | float, ...]", value)
            each_told = (each if isinstance(each, str) else f"{each:g}" for each in members)
            assert default == (", ".join(each_told) or "none")
        elif value is not None:
            assert float(default) == value


def test_every_code_is_one_of_ours() -> None:
    source = "".join(file.read_text() for file in (ROOT / "litebatch_asgi").rglob("*.py"))
    told = {
        code
        for _, cell, _ in rows("Errors", ROOT / "litebatch_asgi" / "errors" / "README.md")
        for code in re.findall(r"`(\w+_\w+)`", cell)
    }
    assert {code for code in told if f'"{code}"' not in source} == set()
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    ours = {each.code for each in classes if issubclass(each, errors.RequestError)}
    assert ours - told <= NOT_TOLD


def test_every_message_is_one_of_ours() -> None:
    files = [*(ROOT / "litebatch_asgi").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
    source = "".join(file.read_text() for file in files)
    part = README.read_text().partition("### Troubleshooting\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([^`]+)`", part, re.MULTILINE)
    assert told
    assert [message for message in told if message not in source] == []


@pytest.mark.parametrize("file", PARTS, ids=lambda file: file.parent.name)
def test_commands_are_there_with_their_options(file: Path) -> None:
    lines = [line for each in snippets(file) if each.language == "bash" for line in each.text.splitlines()]
    for line in lines:
        if line.startswith("litebatch "):
            assert_parses(line)


def test_links_lead_somewhere() -> None:
    for file in (README, *PARTS):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.read_text().splitlines()) <= 350
