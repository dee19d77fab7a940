"""What processes say they are configured with."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from litebatch_asgi.heartbeats import DeploymentUse
from litebatch_asgi.models import CopyState, JobState
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, stored_file, stored_job
from litebatch_asgi.testing.conformance.claims import PATIENCE_SECONDS, ago
from litebatch_asgi.testing.samples import a_copy, a_file

HOUR = 3600.0


class HeartbeatTests(StorageTests):
    """What processes say they are configured with."""

    async def test_deployments_in_use_are_those_of_open_jobs_and_copies(self, storage: Storage) -> None:
        """Jobs and copies that nobody has to look at again do not count, unless such a copy is there."""
        for deployment in ("west", "west", "east", None):
            await stored_job(storage, deployment_id=deployment, next_check_at=ago(-60))
        await stored_job(storage, deployment_id="done", state=JobState.SETTLED, next_check_at=None)
        for deployment, state in (("west", CopyState.READY), ("north", CopyState.FAILED)):
            await stored_file(
                storage, a_copy(a_file(), deployment_id=deployment, state=state, next_check_at=None)
            )
        for moment in (None, ago(-60)):
            copy = a_copy(
                a_file(),
                deployment_id="due" if moment else "gone",
                state=CopyState.DELETED,
                next_check_at=moment,
            )
            await stored_file(storage, copy)
        assert await storage.heartbeats.in_use() == [
            DeploymentUse(deployment_id="due", open_jobs=0, copies=1, last_seen=None),
            DeploymentUse(deployment_id="east", open_jobs=1, copies=0, last_seen=None),
            DeploymentUse(deployment_id="north", open_jobs=0, copies=1, last_seen=None),
            DeploymentUse(deployment_id="west", open_jobs=2, copies=1, last_seen=None),
        ]

    async def test_nothing_is_in_use_at_first(self, storage: Storage) -> None:
        """And nothing is gone."""
        await storage.heartbeats.beat("worker", {"east": ["a"]}, lapse_seconds=HOUR)
        assert await storage.heartbeats.in_use() == []
        assert await storage.heartbeats.gone(0, lapse_seconds=HOUR) == []

    async def test_a_deployment_was_seen_when_a_heartbeat_named_it_last(self, storage: Storage) -> None:
        """Whoever's that was; a later one that names it no more takes it back."""
        await stored_job(storage)

        async def seen() -> DeploymentUse:
            [use] = await storage.heartbeats.in_use()
            return use

        before = await storage.now()
        await storage.heartbeats.beat("first", {"east": []}, lapse_seconds=HOUR)
        first = (await seen()).last_seen
        await storage.heartbeats.beat("second", {"west": [], "east": ["a"]}, lapse_seconds=HOUR)
        second = (await seen()).last_seen
        await storage.heartbeats.beat("third", {"west": []}, lapse_seconds=HOUR)
        assert (await seen()).last_seen == second
        assert first is not None
        assert second is not None
        assert before <= first <= second <= await storage.now()
        await storage.heartbeats.beat("second", {}, lapse_seconds=HOUR)
        assert (await seen()).last_seen == first

    async def test_what_no_heartbeat_names_for_a_while_is_gone(self, storages: Sequence[Storage]) -> None:
        """Told by the heartbeats of all processes on the database."""
        await stored_job(storages[0], deployment_id="west")
        await stored_job(storages[0], deployment_id="north")
        await stored_file(storages[0], a_copy(a_file()))
        gone: list[str] = []
        with anyio.fail_after(PATIENCE_SECONDS):
            while gone != ["north", "west"]:  # a slow moment may make it look as if east were gone too
                await storages[0].heartbeats.beat("first", {"south": []}, lapse_seconds=HOUR)
                await storages[-1].heartbeats.beat("second", {"east": []}, lapse_seconds=HOUR)
                gone = await storages[0].heartbeats.gone(0.05, lapse_seconds=HOUR)

    async def test_nothing_is_gone_where_heartbeats_have_not_lasted(self, storage: Storage) -> None:
        """Nobody has beaten, not for long enough, not lately, or more is asked for than is remembered."""
        await stored_job(storage, deployment_id="west")
        assert await storage.heartbeats.gone(0, lapse_seconds=HOUR) == []
        await storage.heartbeats.beat("worker", {"east": []}, lapse_seconds=HOUR)
        assert await storage.heartbeats.gone(0, lapse_seconds=HOUR) == ["west"]
        assert await storage.heartbeats.gone(HOUR, lapse_seconds=HOUR) == []
        assert await storage.heartbeats.gone(25 * HOUR, lapse_seconds=HOUR) == []
        assert await storage.heartbeats.gone(0, lapse_seconds=-1) == []

    async def test_drained_deployments_are_remembered(self, storages: Sequence[Storage]) -> None:
        """For all processes, since they were drained first, whether a heartbeat names them or not."""
        first, last = storages[0], storages[-1]
        assert await first.heartbeats.drained() == {}
        before = await first.now()
        await first.heartbeats.drain("west")
        await first.heartbeats.beat("worker", {"east": []}, lapse_seconds=HOUR)
        await last.heartbeats.drain("east")
        drained = await last.heartbeats.drained()
        assert list(drained) == ["east", "west"]
        assert before <= drained["west"] <= drained["east"] <= await first.now()
        await last.heartbeats.drain("west")
        assert await first.heartbeats.drained() == drained
        assert await first.heartbeats.undrain("west")
        assert not await last.heartbeats.undrain("west")
        assert list(await last.heartbeats.drained()) == ["east"]

    async def test_all_that_live_processes_serve(self, storage: Storage) -> None:
        """The virtual models of each deployment, as they were configured."""
        await storage.heartbeats.beat("first", {"east": ["a", "openai/*"], "west": []}, lapse_seconds=HOUR)
        await storage.heartbeats.beat("second", {"east": ["b", "a"]}, lapse_seconds=HOUR)
        assert await storage.heartbeats.served(HOUR) == {
            "east": frozenset({"a", "b", "openai/*"}),
            "west": frozenset(),
        }
        assert await storage.heartbeats.served(-1) == {}
