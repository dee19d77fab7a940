"""A day of a batch in a moment: one clock for a gateway and its providers, which goes on when it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import InProcess

BEGIN = timedelta(days=-7)
"""what is due by a clock that is so far behind is due by the database's at once"""
STEP = 2.0
"""hours that pass between two looks at the most: fewer than what leaves a gap, see `UNHURRIED`"""
UNHURRIED = 1800.0
"""seconds between two looks at a job of which there is no news"""


class Hours:
    """The clock: `now` is the gateway's, and providers have the same."""

    def __init__(self) -> None:
        self._ahead = BEGIN

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC) + self._ahead

    def simulator(self, settings: SimulatorSettings, *names: str) -> Simulator:
        """A provider with accounts of these names, which has this clock."""
        simulator = Simulator(settings=replace(settings, clock_offset=self._ahead.total_seconds()))
        for name in names or ("east", "west"):
            simulator.account(name)
        return simulator

    def skip(self, simulator: Simulator, hours: float) -> None:
        """Let so much time pass, while nobody looks.

        For providers first: to a look in between they are ahead, and not as if they had stood still.
        """
        ahead = self._ahead + timedelta(hours=hours)
        for account in simulator.accounts.values():
            account.configure(clock_offset=ahead.total_seconds())
        self._ahead = ahead

    async def passed(self, gateway: InProcess, hours: float) -> None:
        """Let so much time pass, with looks at all batches that run meanwhile and at the end."""
        while hours > 0:
            self.skip(gateway.simulator, min(hours, STEP))
            hours -= STEP
            for _ in range(2):  # a look may have been under way
                await gateway.eventually(_AreLookedAt(gateway.database, self.now()))


class _AreLookedAt:
    """Whether each batch of which a job runs was looked at since."""

    def __init__(self, database: Database, since: datetime) -> None:
        self._database = database
        self._since = int(since.timestamp() * 1_000_000)

    async def __call__(self) -> bool:
        running = "SELECT batch_id FROM jobs WHERE state = 'submitted'"
        batches = await self._database.rows(f"SELECT looked_at FROM batches WHERE id IN ({running})")
        return all(looked_at is not None and looked_at >= self._since for (looked_at,) in batches)
