"""`litebatch simulate`: the provider simulator alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec

from litebatch_asgi.cli.ports import exit_for_port
from litebatch_asgi.cli.stopping import say_stopping
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.simulator import Fault, SimulatorSettings, run, service_account


def simulate(
    host: str, port: int, *, directory: Path | None, settings: Sequence[str], faults: Sequence[str]
) -> None:
    """Serve until a signal comes; a port that cannot be had is exit code 1.

    `settings` are `name=value`, `faults` are JSON. Raises `ConfigError` for one that is not understood, and
    if the flavour needs what is not installed.
    """
    read = parse_settings(settings)
    ordered = [parse_fault(text) for text in faults]
    with ExitStack() as stack:
        if read.flavour == "vertex":
            _check_vertex()
            if directory is None:
                # the simulator's own temporary folder is not known here, and credentials must lie somewhere
                prefix = "litebatch-simulator-"
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        try:
            run(
                host,
                port,
                directory=directory,
                settings=read,
                faults=ordered,
                started=lambda address: _tell(address, read.flavour, directory),
                stopping=lambda: say_stopping("Requests in progress have 5 seconds."),
            )
        except OSError as error:
            exit_for_port(host, port, error)


def parse_settings(assignments: Sequence[str]) -> SimulatorSettings:
    """Settings from texts such as `running_seconds=5`; a value is JSON, or a text. Raises `ConfigError`."""
    settings = SimulatorSettings()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: write it as name=value")
        try:
            settings = settings.changed({name: _json_or_text(text)})
        except msgspec.ValidationError as error:
            known = ", ".join(SimulatorSettings.__struct_fields__)
            raise ConfigError(f"--set {assignment}: {error}; settings are {known}") from None
    return settings


def parse_fault(text: str) -> Fault:
    """A fault from JSON such as `{"call": "create_batch", "drop": true}`. Raises `ConfigError`."""
    try:
        return msgspec.json.decode(text, type=Fault)
    except msgspec.DecodeError as error:
        known = ", ".join(Fault.__struct_fields__)
        raise ConfigError(f"--fault {text}: {error}; a fault is JSON, with {known}") from None


def _json_or_text(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _check_vertex() -> None:
    """Raise `ConfigError` unless there is what tokens and checksums of Google need."""
    for module, package in (("google.auth", "google-auth"), ("google_crc32c", "google-crc32c")):
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:  # there is no package `google` at all
            is_there = False
        if not is_there:
            raise ConfigError(f"--flavour vertex needs {package}: pip install 'litebatch-asgi[vertex]'")


_WAYS_IN = {
    "openai": (
        "  api_base  {address}/v1",
        "            {address}/NAME/v1 for any number of accounts",
        "  key       any bearer token",
    ),
    "azure": (
        "  api_base  {address}, or {address}/openai/v1",
        "            {address}/NAME for any number of resources",
        "            {address}/NAME/openai/v1",
        "  key       any, as api-key or bearer token",
    ),
    "vertex": (
        "  api_base  {address}",
        "            {address}/NAME for any number of accounts",
        "  bucket    any, and any project and location",
        "  vertex_credentials",
        "            {credentials}",
        "            {address}/_simulator/credentials?account=NAME",
    ),
    "anthropic": (
        "  api_base  {address}",
        "            {address}/NAME for any number of accounts",
        "  key       any, as x-api-key or bearer token",
    ),
    "mistral": (
        "  api_base  {address}/v1",
        "            {address}/NAME/v1 for any number of accounts",
        "  key       any bearer token",
    ),
    "vllm": (
        "  api_base  {address}/v1",
        "            {address}/NAME/v1 for any number of servers",
        "  key       any bearer token, or none",
    ),
    "groq": (
        "  api_base  {address}/openai/v1",
        "            {address}/NAME/openai/v1 for any number of accounts",
        "  key       any bearer token",
    ),
}


def _tell(address: str, flavour: str, directory: Path | None) -> None:
    credentials: Path | None = None
    if flavour == "vertex" and directory is not None:
        credentials = directory / "service-account.json"
        credentials.write_bytes(msgspec.json.encode(service_account("default", f"{address}/token")))
    lines = (
        "A simulated provider listens on {address}",
        *_WAYS_IN[flavour],
        "  steering  {address}/_simulator/ lists what can be asked",
    )
    click.echo("\n".join(lines).format(address=address, credentials=credentials))
