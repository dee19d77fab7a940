"""`litebatch demo`: a simulated provider with two accounts, a gateway before it, and a client's journey."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import click
import httpx2
from click.exceptions import Exit
from msgspec.structs import replace
from rich.console import Console

from litebatch_asgi.cli.journey import ENDPOINT, MODEL, Journey
from litebatch_asgi.cli.ports import listen_or_exit
from litebatch_asgi.cli.states import ACCOUNT, SLOW_MODEL, States
from litebatch_asgi.cli.stopping import until_stopped
from litebatch_asgi.cli.story import DemoFailed, Story
from litebatch_asgi.config import Config
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.server import logs
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings

NAME = "litebatch"
HOST = "127.0.0.1"
PORT = 4000
TOKEN = "sk-demo"  # noqa: S105 - it opens nothing but the demo
ACCOUNTS = ("east", "west")
PACE = SimulatorSettings(validating_seconds=0.2, running_seconds=1.0, finalizing_seconds=0.2)
PRICES = {
    "input_cost_per_token_batches": Decimal("0.000000075"),
    "output_cost_per_token_batches": Decimal("0.0000003"),
}
"""US dollars"""
SETTINGS = Settings(
    min_poll_seconds=0.1,
    max_poll_seconds=0.5,
    refresh_after_seconds=0.1,
    webhooks_to_private_addresses=True,  # whoever tries them out listens on this machine
)
"""for providers that take seconds where real ones take hours"""


def run(*, keep: bool, port: int | None) -> None:
    """Run the demo; with `keep`, leave everything running until a signal comes.

    Exit code 1 if a step does not come out as it must, or if a port that was asked for cannot be had.
    """
    logs.configure(())
    # what a demo that is kept has to show goes wrong on purpose
    logging.getLogger("litebatch_asgi").setLevel(logging.ERROR if keep else logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="litebatch-demo-") as folder:
        try:
            asyncio.run(_demo(Path(folder), keep=keep, port=port))
        except DemoFailed as error:
            click.echo(f"error: {error}", err=True)
            raise Exit(1) from None


async def _demo(folder: Path, *, keep: bool, port: int | None) -> None:
    story = Story(Console(highlight=False))
    simulator = Simulator(folder / "provider", PACE)
    for account in ACCOUNTS:
        simulator.account(account)
    async with simulator.running() as provider, _gateway(folder, provider, port, keep=keep) as gateway:
        story.say(f"One model, {MODEL}, on two simulated deployments.")
        story.fact("provider", f"{provider}, with the accounts {' and '.join(ACCOUNTS)}")
        story.fact("gateway", gateway)
        story.fact("folder", f"{folder}, removed at the end")
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(base_url=f"{gateway}/v1/", headers=headers, trust_env=False) as client:
            await Journey(client, simulator, story, folder / "requests.jsonl").travel()
            story.say("\nDone, each step as it must be.")
            if keep:
                await States(client, simulator).fill()
        if keep:
            story.say(_page(gateway))
            await until_stopped(_curl(gateway, folder / "requests.jsonl"), then="The folder is removed.")
        else:
            story.say(_next_steps(program()))


@asynccontextmanager
async def _gateway(folder: Path, provider: str, port: int | None, *, keep: bool) -> AsyncGenerator[str]:
    """A gateway before the provider's accounts; yields its address."""
    served = {**dict.fromkeys(ACCOUNTS, MODEL), **({ACCOUNT: SLOW_MODEL} if keep else {})}
    config = Config(
        deployments=tuple(
            Deployment(
                model_name=model,
                model="openai/gpt-4o-mini",
                api_base=f"{provider}/{account}/v1",
                api_key=f"sk-{account}",
                id=account,
                mode="batch",
                prices=PRICES,
            )
            for account, model in served.items()
        ),
        settings=replace(SETTINGS, webhook_keys=(secrets.token_hex(32),)),
        master_key=TOKEN,
        database_url=f"sqlite:///{folder / 'litebatch.db'}",
    )
    litebatch = litebatch_for(config, HOST)
    app = build_gateway(litebatch)
    listener = listen_or_exit(HOST, port) if port is not None else _listen_anywhere()
    with listener:
        async with litebatch.lifespan(app), serving(app, listener, tells_stop=True):
            yield address_of(listener)


def _listen_anywhere() -> socket.socket:
    try:
        return listen(HOST, PORT)
    except OSError:
        return listen(HOST, 0)


def _next_steps(litebatch: str) -> str:
    return f"""
To go on:

# the same, left running for calls of your own, and with a page to look at
{litebatch} demo --keep

# a gateway before an OpenAI account
OPENAI_API_KEY=sk-... {litebatch} serve

{litebatch} --help"""


def program() -> str:
    """How this command is called from where we are."""
    called = Path(sys.argv[0])
    found = shutil.which(called.name)
    if called.name != NAME or (found is not None and Path(found).samefile(called)):
        return NAME
    with suppress(ValueError):
        return str(called.absolute().relative_to(Path.cwd()))
    return str(called)


def _page(gateway: str) -> str:
    return f"""
To look at in a browser, signing in with the key {TOKEN}:

{gateway}/ui"""


def _curl(gateway: str, requests: Path) -> str:
    return f"""
Still running, until Ctrl-C. To paste into another terminal:

URL={gateway}/v1 KEY="Authorization: Bearer {TOKEN}"
field() {{ grep -o "\\"$1\\": *\\"[^\\"]*\\"" | head -n 1 | cut -d'"' -f4; }}
FILE=$(curl -sH "$KEY" $URL/files -F purpose=batch \\
  -F file=@{requests} | field id)
BATCH=$(curl -sH "$KEY" $URL/batches -H 'Content-Type: application/json' -d '{{
  "input_file_id": "'$FILE'", "endpoint": "{ENDPOINT}",
  "completion_window": "24h"}}' | field id)
until [ "$(curl -sH "$KEY" $URL/batches/$BATCH | field status)" = completed ]
do sleep 1; done
OUTPUT=$(curl -sH "$KEY" $URL/batches/$BATCH | field output_file_id)
curl -sH "$KEY" $URL/files/$OUTPUT/content"""
