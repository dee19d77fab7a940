"""The help of each command, and completion in shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from litebatch_asgi.cli.commands import app
from tests import forks
from tests.cli.examples import assert_parses
from tests.cli.processes import run


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, *path, name)


COMMANDS = list(commands(app))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_ends_with_an_example(path: tuple[str, ...]) -> None:
    # click leaves two of the columns free
    shown = CliRunner().invoke(app, [*path, "--help"], prog_name="litebatch", terminal_width=78)
    assert shown.exit_code == 0
    usage, *lines = shown.output.splitlines()
    assert len(usage) <= 80
    assert [line for line in lines if len(line) > 80 or line.endswith("...")] == []
    examples = shown.output.partition("  Example")[2].splitlines()[1:]
    assert examples
    for example in examples:
        assert_parses(example)


def test_the_version(tmp_path: Path) -> None:
    told = run("--version", cwd=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (0, "litebatch 0.1.0\n", "")


def test_an_unknown_option_is_wrong_use(tmp_path: Path) -> None:
    told = forks.run("keys", "list", "--outputs", "json", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (2, "")
    assert "No such option '--outputs'." in told.stderr
    assert "--output" in told.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_takes_its_script(shell: str, tmp_path: Path) -> None:
    told = forks.run("completion", shell, cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"_LITEBATCH_COMPLETE={shell}_complete" in told.stdout
    program = shutil.which(shell)
    if program is not None:
        (tmp_path / "script").write_text(told.stdout)
        subprocess.run([program, "-n", "script"], cwd=tmp_path, check=True)


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = forks.run("completion", "bash", cwd=tmp_path).stdout
    asked = (
        "COMP_WORDS=(litebatch keys l) COMP_CWORD=2; _litebatch_completion litebatch; echo ${COMPREPLY[*]}"
    )
    answered = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"],
        env={**os.environ, "PATH": f"{Path(__file__).parents[2] / '.venv/bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answered.stdout == "list\n"
