"""From options and environment to a gateway: once in the one process, or in each worker anew."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, MutableMapping
from functools import partial
from pathlib import Path

import msgspec
from starlette.types import ASGIApp

from litebatch_asgi import failpoints
from litebatch_asgi.app import LiteBatch
from litebatch_asgi.config import Config, config_from_environment, load_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.server import logs
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.listen import DRAIN_SECONDS
from litebatch_asgi.server.metrics import count_with_workers, remove_shared
from litebatch_asgi.server.traces import TracesOfWorker
from litebatch_asgi.server.workers import end_with_parent

FACTORY = "litebatch_asgi.server.startup:gateway_of_worker"
_CONFIG, _DATABASE, _HOST = "LITEBATCH_CONFIG", "LITEBATCH_DATABASE", "LITEBATCH_HOST"
_NO_RECONCILER = "LITEBATCH_NO_RECONCILER"
_PAGE_SECRET = "LITEBATCH_PAGE_SECRET"  # noqa: S105 - the name of a variable
"""of workers that have neither a secret nor a master key to make one of"""
FAILPOINTS = "LITEBATCH_FAILPOINTS"
ONE_PROCESS = ("sqlite:", "memory:")
"""databases on which several workers are of no use: they would wait for each other, or see nothing of it"""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway is started with."""

    host: str
    config: Path | None = None
    """None: the environment alone"""
    database: str | None = None
    """in place of the configuration's"""
    workers: int = 1
    reconciler: bool = True
    """whether the background loop runs in each of them"""
    drain_seconds: int = DRAIN_SECONDS
    """how long requests in progress may go on once it is to stop"""

    def configuration(self, env: Mapping[str, str]) -> Config:
        """The configuration that is in force.

        Raises `ConfigError`, also if the workers cannot share the database.
        """
        config = config_from_environment(env) if self.config is None else load_config(self.config)
        url = config.database_url if self.database is None else self.database
        if self.workers > 1 and url.startswith(ONE_PROCESS):
            raise ConfigError(
                f"{self.workers} workers need PostgreSQL: --database postgresql://user:password@host/name; "
                f"with {url.partition(':')[0]} there is one"
            )
        settings = config.settings
        if settings.page_secret is None and config.master_key is None:
            settings = msgspec.structs.replace(settings, page_secret=env.get(_PAGE_SECRET))
        return msgspec.structs.replace(config, database_url=url, settings=settings)

    def hand_over(self, env: MutableMapping[str, str]) -> None:
        """Leave the options where `gateway_of_worker` finds them."""
        values = {
            _HOST: self.host,
            _CONFIG: self.config,
            _DATABASE: self.database,
            _NO_RECONCILER: None if self.reconciler else "1",
        }
        env.setdefault(_PAGE_SECRET, secrets.token_hex(32))
        for name, value in values.items():
            env.pop(name, None)
            if value is not None:
                env[name] = str(value)


def build(options: Options, env: Mapping[str, str]) -> tuple[Config, LiteBatch]:
    """The configuration and a LiteBatch for it, with failpoints armed. Raises `ConfigError`."""
    config = options.configuration(env)
    litebatch = litebatch_for(config, options.host, reconciler=options.reconciler)
    arm_failpoints(env)
    return config, litebatch


def arm_failpoints(env: Mapping[str, str]) -> None:
    """Arm what the environment says. Raises `ConfigError`."""
    try:
        failpoints.arm(env.get(FAILPOINTS, ""))
    except ValueError as error:
        raise ConfigError(f"{FAILPOINTS}: {error}") from None


def gateway_of_worker() -> ASGIApp:
    """The gateway of one of several worker processes, from what `Options.hand_over` left."""
    path = os.environ.get(_CONFIG)
    options = Options(
        host=os.environ[_HOST],
        config=None if path is None else Path(path),
        database=os.environ.get(_DATABASE),
        reconciler=_NO_RECONCILER not in os.environ,
    )
    config, litebatch = build(options, os.environ)
    litebatch.warnings.clear()  # its parent has told them
    end_with_parent(partial(remove_shared, os.environ))
    count_with_workers(os.environ)
    log = logs.configure(config.secrets, worker=os.getpid())
    return TracesOfWorker(build_gateway(litebatch, log, open_metrics=config.open_metrics), os.environ)
