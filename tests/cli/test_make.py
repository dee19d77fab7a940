"""What the targets of the Makefile install, and when."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one, as far as make is concerned."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def installs(checkout: Path, target: str) -> list[str]:
    """The extras that a target would install now."""
    told = subprocess.run(["make", "-n", target], cwd=checkout, capture_output=True, text=True, check=True)
    return re.findall(r"--editable '\.\[(\w+)\]'", told.stdout)


def test_the_demo_installs_what_users_install_and_tests_the_rest(checkout: Path) -> None:
    assert installs(checkout, "demo") == ["server"]
    assert installs(checkout, "test") == ["dev"]
    (checkout / ".venv" / ".users").touch()
    assert installs(checkout, "demo") == []
    assert installs(checkout, "test") == installs(checkout, "check") == ["dev"]
    (checkout / ".venv" / ".ready").touch()
    assert installs(checkout, "demo") == installs(checkout, "test") == []
