"""Entra ID as far as tokens for an application go: over TLS, with a certificate of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.certificates import certificate_for

from .wire import Answer, RawServer, answer, listening

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "0a1b2c3d-86f1-41af-91ab-000000000000"
SECRET = "client-secret-0123456789"


class Entra:
    """A running Entra ID. `certificate` is what its clients must trust."""

    def __init__(self, server: RawServer, host: str, certificate: Path) -> None:
        self.authority = f"https://{host}"
        self.certificate = certificate
        self._server = server
        self._server.script(self._configuration())

    def _configuration(self) -> Answer:
        base = f"{self.authority}/{TENANT}"
        content = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }
        return answer(content)

    def give(self, token: str, *, seconds: int = 3600) -> None:
        """Answer the next request for a token with this one."""
        self._server.script(answer({"token_type": "Bearer", "expires_in": seconds, "access_token": token}))

    def refuse(self, description: str) -> None:
        """Refuse the next request for a token."""
        content = {"error": "invalid_client", "error_description": description}
        self._server.script(answer(content, status=401))

    @property
    def asked(self) -> list[dict[str, list[str]]]:
        """The forms of the requests for a token."""
        return [parse_qs(each.body.decode()) for each in self._server.received if each.method == "POST"]


@asynccontextmanager
async def entra_id(folder: Path) -> AsyncGenerator[Entra]:
    """Entra ID, which ends with the block."""
    server = RawServer([])
    context, certificate = certificate_for(folder, "localhost")
    async with listening(server.serve, context) as base:
        yield Entra(server, f"localhost:{urlsplit(base).port}", certificate)
