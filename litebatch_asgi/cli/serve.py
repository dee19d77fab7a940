"""`litebatch serve`: the gateway in this process, or in several workers."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from importlib.metadata import version

import click
import msgspec

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.cli.ports import listen_or_exit
from litebatch_asgi.cli.stopping import say_stopping, until_stopped
from litebatch_asgi.config import Config
from litebatch_asgi.config.parse import password_in
from litebatch_asgi.server import logs
from litebatch_asgi.server.gateway import build_gateway
from litebatch_asgi.server.listen import (
    address_of,
    loop_factory,
    serving,
    uvicorn_config,
)
from litebatch_asgi.server.metrics import shared_by_workers
from litebatch_asgi.server.startup import FACTORY, Options, build
from litebatch_asgi.server.traces import check_traces, traces_sent
from litebatch_asgi.server.workers import Workers

_PASSWORD_OPTION = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def serve(options: Options, port: int) -> None:
    """Serve until a signal comes.

    Raises `ConfigError` and `StorageUnavailable`; a port that cannot be had is exit code 1.
    """
    if options.workers > 1:
        _serve_by_workers(options, port)
        return
    config, litebatch = build(options, os.environ)
    log = logs.configure(config.secrets)
    with (
        listen_or_exit(options.host, port) as listener,
        traces_sent(os.environ),
        asyncio.Runner(loop_factory=loop_factory()) as loop,
    ):
        loop.run(_serve(options, config, litebatch, log, listener))


def _serve_by_workers(options: Options, port: int) -> None:
    config, litebatch = build(msgspec.structs.replace(options, reconciler=False), os.environ)
    logs.configure(config.secrets)
    check_traces(os.environ)
    with listen_or_exit(options.host, port) as listener, shared_by_workers(os.environ):
        asyncio.run(_try_out(litebatch))
        options.hand_over(os.environ)
        workers = Workers(
            uvicorn_config(
                FACTORY, factory=True, workers=options.workers, drain_seconds=options.drain_seconds
            ),
            listener,
            stopping=lambda: say_stopping(_stopping(options.drain_seconds)),
        )
        click.echo(banner(config, address_of(listener)))
        workers.run()


async def _try_out(litebatch: LiteBatch) -> None:
    """Set the database up, and tell once what would keep every worker from starting."""
    async with litebatch.lifespan():
        pass


async def _serve(
    options: Options, config: Config, litebatch: LiteBatch, log: logs.RequestLog, listener: socket.socket
) -> None:
    gateway = build_gateway(litebatch, log, open_metrics=config.open_metrics)
    drain = options.drain_seconds
    async with litebatch.lifespan(gateway), serving(gateway, listener, drain_seconds=drain, tells_stop=True):
        await until_stopped(banner(config, address_of(listener)), then=_stopping(drain))


def _stopping(drain_seconds: int) -> str:
    return f"Requests in progress have {drain_seconds} seconds."


def banner(config: Config, address: str) -> str:
    """What the operator is told at the start."""
    key = "the master key, or one made with it, as `Authorization: Bearer`"
    if config.master_key is None:
        key = "any bearer token, for there is no master key: this machine only"
    more = (f"  page      {address}/ui", f"  key       {key}")
    return "\n".join((f"{title()} listens on {address}/v1", *what_is_served(config), *more))


def title() -> str:
    """What this is."""
    return f"LiteBatch {version('litebatch-asgi')}"


def what_is_served(config: Config) -> Iterator[str]:
    """A line for each model and each of its deployments, one for providers, and one for the database."""
    catalog = Catalog(config.deployments)
    for group in catalog.groups.values():
        yield f"  model     {group.name}"
        width = max(map(len, group.deployments))
        for deployment_id, deployment in group.deployments.items():
            base = f" at {without_password(deployment.api_base)}" if deployment.api_base else ""
            yield f"            {deployment_id:<{width}}  {deployment.model}{base}"
    providers = catalog.nameable_providers()
    if providers:
        yield f"  providers {', '.join(providers)} may be named by requests (custom_llm_provider)"
    yield f"  database  {without_password(config.database_url)}"


def without_password(url: str) -> str:
    """A URL that can be shown."""
    password = password_in(url)
    shown = url if password is None else url.replace(f":{password}@", ":***@", 1)
    return _PASSWORD_OPTION.sub(r"\1***", shown)
