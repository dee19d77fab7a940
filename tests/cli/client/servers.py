"""Servers for the client: a gateway and a bare simulator, in a thread beside the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from litebatch_asgi.simulator import ArmedFault, Fault, Simulator
from litebatch_asgi.simulator.account import Account
from tests.cli.terminal import Terminal, forked_terminal
from tests.forks import run
from tests.harness import SWIFT, InProcess, running_gateway

T = TypeVar("T")
PRICES = {
    "input_cost_per_token_batches": Decimal("0.001"),
    "output_cost_per_token_batches": Decimal("0.002"),
}
QUICKLY = ("--every", "0.05")


class Server:
    """A server as a client sees it, who comes with a key of its own."""

    def __init__(self, portal: BlockingPortal, simulator: Simulator, url: str, key: str) -> None:
        self._portal = portal
        self.simulator = simulator
        self.environ = {"LITEBATCH_BASE_URL": url, "LITEBATCH_API_KEY": key}
        self.key = key
        self.url = url

    def litebatch(self, *arguments: str, cwd: Path, **extra: str) -> CompletedProcess[str]:
        """Run the command to its end, without a terminal."""
        return run(*arguments, cwd=cwd, **(self.environ | extra))

    @contextmanager
    def on_terminal(self, *arguments: str, cwd: Path, **extra: str) -> Generator[Terminal]:
        """Run the command on a terminal."""
        with forked_terminal(*arguments, cwd=cwd, **(self.environ | extra)) as shown:
            yield shown

    @contextmanager
    def holding(self) -> Generator[None]:
        """Let no batch come to its end until the block does."""
        self.call(self._hold)
        try:
            yield
        finally:
            self.call(self._let_go)

    def _hold(self) -> None:
        for account in self.accounts():
            account.configure(hold=frozenset({"in_progress"}))

    def _let_go(self) -> None:
        for account in self.accounts():
            account.configure(hold=frozenset())
            account.release()

    def accounts(self) -> list[Account]:
        """Of the provider behind it."""
        return [self.simulator.account(name) for name in ("east", "west")]

    def call(self, work: Callable[[], T]) -> T:
        """Do something on the loop of the server."""
        return self._portal.call(work)


class Direct(Server):
    """An account of the simulated provider, without a gateway."""

    def __init__(self, portal: BlockingPortal, simulator: Simulator, address: str, name: str) -> None:
        super().__init__(portal, simulator, f"{address}/{name}/v1", f"sk-secret-of-{name}")
        self.account: Account = simulator.account(name)

    def accounts(self) -> list[Account]:
        """Its own."""
        return [self.account]

    def fault(self, **fault: Any) -> ArmedFault:
        """Let something go wrong."""
        return self.call(lambda: self.account.add_fault(Fault(**fault)))

    def lift(self, fault: ArmedFault) -> None:
        """Put it right again."""
        self.call(fault.remove)

    def struck(self, fault: ArmedFault) -> None:
        """Wait until it has gone wrong."""
        self._portal.call(self.simulator.until, lambda: fault.struck > 0)

    def calls(self, name: Any) -> int:
        """How many calls of a kind were carried out."""
        entries = self.simulator.journal.select(name)
        return sum(entry.done and entry.account == self.account.name for entry in entries)


class Servers:
    """The gateway, and any number of accounts."""

    def __init__(self, portal: BlockingPortal, gateway: InProcess, bare: Simulator, address: str) -> None:
        self._portal = portal
        self._bare = bare
        self._address = address
        self.in_process = gateway
        self._number = 0

    def gateway(self) -> Server:
        """The gateway, for an owner who has nothing yet."""
        self._number += 1
        url, key = f"{self.in_process.address}/v1", f"owner-number-{self._number}"
        return Server(self._portal, self.in_process.simulator, url, key)

    def direct(self) -> Direct:
        """An account that has nothing yet."""
        self._number += 1
        return Direct(self._portal, self._bare, self._address, f"account-{self._number}")


@contextmanager
def running_servers(folder: Path) -> Generator[Servers]:
    """All servers, which stop with the block."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        gateway = portal.wrap_async_context_manager(running_gateway(folder, prices=PRICES))
        bare = Simulator(settings=SWIFT)
        address = stack.enter_context(portal.wrap_async_context_manager(bare.running()))
        yield Servers(portal, stack.enter_context(gateway), bare, address)


def told(done: CompletedProcess[str]) -> Any:
    """The one JSON line that a command has printed."""
    (line,) = done.stdout.splitlines()
    return json.loads(line)
