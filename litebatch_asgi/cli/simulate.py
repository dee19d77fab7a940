"""`litebatch simulate`: the provider simulator alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from litebatch_asgi.cli.ports import exit_for_port
from litebatch_asgi.cli.stopping import say_stopping
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.simulator import Fault, SimulatorSettings, run


def simulate(
    host: str, port: int, *, directory: Path | None, settings: Sequence[str], faults: Sequence[str]
) -> None:
    """Serve until a signal comes; a port that cannot be had is exit code 1.

    `settings` are `name=value`, `faults` are JSON. Raises `ConfigError` for one that is not understood.
    """
    read = parse_settings(settings)
    ordered = [parse_fault(text) for text in faults]
    try:
        run(
            host,
            port,
            directory=directory,
            settings=read,
            faults=ordered,
            started=lambda address: _tell(address, read.flavour),
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
}


def _tell(address: str, flavour: str) -> None:
    lines = (
        "A simulated provider listens on {address}",
        *_WAYS_IN[flavour],
        "  steering  {address}/_simulator/ lists what can be asked",
    )
    typer.echo("\n".join(lines).format(address=address))
