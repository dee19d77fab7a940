"""How commands end that do not do what they should."""

from __future__ import annotations

from litebatch_asgi.errors import LiteBatchError


class CommandFailed(LiteBatchError):
    """Exit code 1: the same command may work another time."""
