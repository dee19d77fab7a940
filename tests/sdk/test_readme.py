"""What the README of these functions shows is what works."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import litebatch_asgi.sdk as sdk
from tests.harness import ids_of, lines
from tests.readme.snippets import ROOT, under

FILE = ROOT / "litebatch_asgi" / "sdk" / "README.md"


async def test_the_journey(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = under("Functions that speak to one provider", "python", FILE)
    monkeypatch.chdir(tmp_path)
    await anyio.Path("requests.jsonl").write_bytes(lines(2, model="m"))
    code = compile(text.replace("sleep(2)", "sleep(0.01)"), str(FILE), "exec")
    made: dict[str, object] = {}
    await anyio.to_thread.run_sync(exec, code, made)
    assert ids_of(capsys.readouterr().out.encode()) == ["request-0", "request-1"]


def test_it_names_every_function() -> None:
    text = FILE.read_text()
    named = [name for name in sdk.__all__ if name.islower()]
    assert [name for name in named if f"`{name}`" not in text] == []
