"""What commands load: those that count no prices do without pydantic, which takes a quarter of their time.

Nor do they load what other providers need than those of the configuration.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import SECONDS, environment

CONFIG = """
model_list:
  - model_name: m
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: sk-x
"""
HEAVY = (
    *("genai_prices", "pydantic", "typer"),
    *("litebatch_asgi.dialects.anthropic", "litebatch_asgi.dialects.vertex"),
)
PROGRAM = f"""
import atexit, sys
atexit.register(lambda: print("loaded", [name for name in {HEAVY} if name in sys.modules]))
from litebatch_asgi.cli import main
main()
"""


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "batches run --help",
        "check --config litebatch.yaml",
        "completion bash",
        "keys create --max-files 5 --database sqlite:///missing.db",
        "serve --port 0 --config litebatch.yaml",
    ],
)
def test_nothing_that_only_prices_need(words: str, tmp_path: Path) -> None:
    (tmp_path / "litebatch.yaml").write_text(CONFIG)
    told: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words.split()],
        cwd=tmp_path,
        env=environment({}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            if line.startswith("  key "):  # the last line of the banner of `serve`
                os.kill(process.pid, signal.SIGTERM)
        assert process.wait(SECONDS) in (0, 2)
    assert told[-1] == "loaded []\n"
