"""The seam to the host's authentication."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import HTTPConnection

from litebatch_asgi.models import Principal


class Authenticator(Protocol):
    """Says who is calling."""

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The caller; None: unknown, which is answered by 401. A `RequestError` is answered as it says."""
        ...
