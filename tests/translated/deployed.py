"""Deployments of all providers on simulated accounts, each named after its provider."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Simulator
from tests.harness import MODEL

for _each in ("google.auth.transport.requests", "google.oauth2.service_account"):
    import_module(_each)  # on a busy machine that alone takes longer than a call may

OPENAI, AZURE, GROQ = "openai", "azure", "groq"
VERTEX, ANTHROPIC, MISTRAL = "vertex", "anthropic", "mistral"
TRANSLATED = (VERTEX, ANTHROPIC)
EVERYWHERE = (OPENAI, AZURE, GROQ, MISTRAL, *TRANSLATED)
UPSTREAM = {
    OPENAI: "gpt-4o-mini",
    AZURE: "eu-general",
    GROQ: "llama-3.3-70b-versatile",
    MISTRAL: "mistral-small-latest",
    VERTEX: "gemini-2.5-flash",
    ANTHROPIC: "claude-sonnet-4-5",
}
PATHS = {OPENAI: "/v1", AZURE: "/openai/v1", GROQ: "/openai/v1", MISTRAL: "/v1", ANTHROPIC: ""}
PROJECT, LOCATION, BUCKET = "my-project", "europe-west4", "my-bucket"


async def google_credentials(simulator: Simulator, address: str) -> str:
    """The service account of the Vertex deployment, as JSON."""
    return json.dumps(await simulator.service_account(address, VERTEX))


def flavoured(simulator: Simulator, names: Sequence[str]) -> None:
    """Let the accounts of these names speak what they are named after."""
    for name in names:
        simulator.account(name).configure(flavour=name)


def deployment_of(
    name: str,
    address: str,
    google: str,
    *,
    exclusive: bool = False,
    upstream: Mapping[str, str] = UPSTREAM,
    **options: Any,
) -> Deployment:
    """One of them; `google` are its credentials if it is Vertex."""
    base = f"{address}/{name}"
    shared: dict[str, Any] = {"model_name": MODEL, "id": name, **options}
    if name == VERTEX:
        return Deployment(
            **shared,
            model=f"vertex_ai/{upstream[name]}",
            api_base=base,
            vertex_project=PROJECT,
            vertex_location=LOCATION,
            vertex_credentials=google,
            gcs_bucket_name=BUCKET,
        )
    return Deployment(
        **shared,
        model=f"{name}/{upstream[name]}",
        api_base=base + PATHS[name],
        api_key="sk-ant-secret" if name == ANTHROPIC else f"sk-{name}-secret",
        exclusive=exclusive and name == ANTHROPIC,
    )
