"""`litebatch serve`: the gateway in this process, or in several workers."""

from __future__ import annotations

import asyncio
import os
import socket
from importlib.metadata import version

import typer
from uvicorn.supervisors import Multiprocess

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.cli.ports import listen_or_exit
from litebatch_asgi.config import Config
from litebatch_asgi.config.parse import password_in
from litebatch_asgi.routing import Catalog
from litebatch_asgi.server import logs
from litebatch_asgi.server.gateway import build_gateway
from litebatch_asgi.server.listen import (
    address_of,
    loop_factory,
    serving,
    until_told_to_stop,
    uvicorn_config,
)
from litebatch_asgi.server.startup import FACTORY, Options, build


def serve(options: Options, port: int) -> None:
    """Serve until a signal comes. Raises `ConfigError`; a port that cannot be had is exit code 1."""
    config, litebatch = build(options, os.environ)
    log = logs.configure(config.secrets)
    with listen_or_exit(options.host, port) as listener:
        if options.workers > 1:
            _serve_by_workers(options, config, listener)
        else:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(_serve(config, litebatch, log, listener))


def _serve_by_workers(options: Options, config: Config, listener: socket.socket) -> None:
    options.hand_over(os.environ)
    typer.echo(banner(config, address_of(listener)))
    workers = uvicorn_config(FACTORY, factory=True, workers=options.workers)
    Multiprocess(workers, sockets=[listener]).run()


async def _serve(config: Config, litebatch: LiteBatch, log: logs.RequestLog, listener: socket.socket) -> None:
    gateway = build_gateway(litebatch, log)
    async with litebatch.lifespan(gateway), serving(gateway, listener):
        typer.echo(banner(config, address_of(listener)))
        await until_told_to_stop()


def banner(config: Config, address: str) -> str:
    """What the operator is told at the start."""
    catalog = Catalog(config.deployments)
    lines = [f"LiteBatch {version('litebatch-asgi')} listens on {address}/v1"]
    for group in catalog.groups.values():
        for deployment_id, deployment in group.deployments.items():
            base = f" at {without_password(deployment.api_base)}" if deployment.api_base else ""
            lines.append(f"  model     {group.name} -> {deployment_id} ({deployment.model}{base})")
    lines.append(f"  database  {without_password(config.database_url)}")
    if config.master_key is None:
        lines.append("  key       any bearer token, for there is no master key: this machine only")
    else:
        lines.append("  key       the master key, as `Authorization: Bearer`")
    return "\n".join(lines)


def without_password(url: str) -> str:
    """A URL that can be shown."""
    password = password_in(url)
    return url if password is None else url.replace(f":{password}@", ":***@", 1)
