"""Entra ID as far as tokens for an application go: over TLS, with a certificate of its own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import anyio.abc
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .wire import Answer, RawServer, answer

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
    context, certificate = _tls(folder)
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)
    entra = Entra(server, f"localhost:{port}", certificate)

    async def attended(stream: anyio.abc.AnyByteStream) -> None:
        async with stream:
            await server.serve(stream)  # type: ignore[arg-type]

    async with (
        TLSListener(plain, context, standard_compatible=False) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, attended)
        yield entra
        tasks.cancel_scope.cancel()


def _tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "entra.pem", folder / "entra.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return context, certificate_file
