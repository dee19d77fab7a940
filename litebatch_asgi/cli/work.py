"""`litebatch work`: the background loop alone, beside replicas that serve without it."""

from __future__ import annotations

import asyncio
import os

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.cli.serve import title, what_is_served
from litebatch_asgi.cli.stopping import until_stopped
from litebatch_asgi.config import Config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.server import logs
from litebatch_asgi.server.listen import loop_factory
from litebatch_asgi.server.startup import Options, build
from litebatch_asgi.server.traces import traces_sent


def work(options: Options) -> None:
    """Look after batches until a signal comes. Raises `ConfigError` and `StorageUnavailable`."""
    config, litebatch = build(options, os.environ)
    if config.database_url.startswith("memory:"):
        raise ConfigError(f"{config.database_url} is in one process's memory: name a database to share")
    logs.configure(config.secrets)
    with traces_sent(os.environ), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(config, litebatch))


async def _work(config: Config, litebatch: LiteBatch) -> None:
    async with litebatch.lifespan():
        banner = "\n".join((f"{title()} looks after batches", *what_is_served(config)))
        await until_stopped(banner, then="What is under way goes on later.")
