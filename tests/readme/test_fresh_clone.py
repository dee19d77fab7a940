"""The README followed word for word, by somebody who has python3, make and curl, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.readme.snippets import README, ROOT, under
from tests.readme.test_readme import shell

SETTINGS_OF_PIP = ("PIP_", "SSL_CERT_FILE")
"""what tells pip where its packages come from here"""


def bare_environment(home: Path) -> dict[str, str]:
    """The variables of a new account on this machine."""
    told = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS_OF_PIP)}
    python = Path(sysconfig.get_config_var("BINDIR"))
    return {**told, "HOME": str(home), "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_reader_gets_results(tmp_path: Path) -> None:
    clone, home = tmp_path / "litebatch", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    assert shutil.which("curl")
    assert "(`pip install openai`)" in README.read_text()
    (python,) = under("Quick start", "python")
    blocks = [
        *under("One minute", "bash"),
        *under("Quick start", "bash"),
        "pip install openai > /dev/null",
        f"python3 - <<'END'\n{python}END",
    ]
    with shell(clone, blocks, environment=bare_environment(home), seconds=600) as told:
        assert "Done, each step" in told
        assert told.count('"custom_id"') >= 4
