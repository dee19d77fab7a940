"""The command line (extra `server`)."""

from __future__ import annotations

import errno
import os
import sys

from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.telling import visible
from litebatch_asgi.errors import LiteBatchError, StorageUnavailable

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_STDERR = 2
_EXTRA = frozenset({"click", "rich", "uvicorn", "yaml"})


def main() -> None:
    """Run the command that the arguments name.

    What stands against it is told on stderr in a sentence. The exit code is 1 where the same command may work
    another time, 2 where something about it is wrong.
    """
    _open_what_is_closed()
    try:
        from litebatch_asgi.cli.commands import app

        app()
    except KeyboardInterrupt:  # while everything is imported
        raise SystemExit(1) from None
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        _refuse(f"the command line needs {package}: pip install 'litebatch-asgi[server]'")
    except (CommandFailed, StorageUnavailable) as error:
        _refuse(str(error), code=1)
    except LiteBatchError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _leave_the_output()
        _refuse(f"no more can be written: {error.strerror}", code=1)


def _open_what_is_closed() -> None:
    """Standard streams that were closed lead nowhere: else a database or a socket may take their place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _leave_the_output() -> None:
    """What is still to be written to stdout goes nowhere: the end of the process would fail on it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _refuse(message: str, *, code: int = 2) -> None:
    print(f"error: {visible(message)}", file=sys.stderr)
    raise SystemExit(code)
