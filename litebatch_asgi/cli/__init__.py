"""The command line (extra `server`)."""

from __future__ import annotations

import sys

from litebatch_asgi.errors import LiteBatchError

_EXTRA = frozenset({"typer", "rich", "uvicorn", "yaml"})


def main() -> None:
    """Run the command that the arguments name.

    What is wrong on the caller's side is told on stderr in a sentence, with exit code 2.
    """
    try:
        from litebatch_asgi.cli.commands import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        _refuse(f"the command line needs {package}: pip install 'litebatch-asgi[server]'")
    except LiteBatchError as error:
        _refuse(str(error))


def _refuse(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)
