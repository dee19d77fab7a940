"""Service accounts: the JSON files that clients have of them, and what clients sign with these.

All have the same key, one for each process, as making one takes long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from .json_values import JSON

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 where tokens come from
SCOPES = frozenset(
    f"https://www.googleapis.com/auth/{scope}"
    for scope in ("cloud-platform", "devstorage.full_control", "devstorage.read_write")
)
"""any of them is enough"""


class WrongAssertion(Exception):
    """An assertion that gets no token; the text says why."""


def service_account(account: str, token_uri: str, project: str = "simulator") -> JSON:
    """The JSON of a service account, which gets its tokens from `account` at `token_uri`."""
    private, _ = _keys()
    email = _email(account, project)
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": _key_id(),
        "private_key": private,
        "client_email": email,
        "client_id": str(int.from_bytes(hashlib.blake2b(email.encode(), digest_size=8).digest())),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain": "googleapis.com",
    }


def check_assertion(assertion: str, account: str, token_uri: str) -> None:
    """Look whether a signed JWT may be changed for a token. Raises WrongAssertion.

    Its audience is `token_uri`, or Google's, which its own client always writes.
    """
    from google.auth import exceptions, jwt

    _, public = _keys()
    try:
        claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call] # google-auth's is untyped
            assertion, certs={_key_id(): public}, audience=[token_uri, GOOGLE_TOKEN_URI]
        )
    except (exceptions.GoogleAuthError, ValueError) as exc:
        raise WrongAssertion(f"Invalid JWT: {exc}") from exc
    issuer = str(claims.get("iss"))
    if not issuer.startswith(f"{account}@"):
        raise WrongAssertion(f"Invalid grant: account not found: {issuer}")
    if claims["exp"] - claims["iat"] > 3600:
        raise WrongAssertion(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        )
    if not SCOPES & set(str(claims.get("scope", "")).split()):
        raise WrongAssertion("Invalid OAuth scope or ID token audience provided.")


def _email(account: str, project: str) -> str:
    return f"{account}@{project}.iam.gserviceaccount.com"


@cache
def _keys() -> tuple[str, bytes]:
    """The private key, and the public one, as PEM."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError as exc:
        message = "service accounts need google-auth and cryptography: pip install 'litebatch-asgi[vertex]'"
        raise ImportError(message) from exc
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public


def _key_id() -> str:
    return hashlib.blake2b(_keys()[1], digest_size=20).hexdigest()
