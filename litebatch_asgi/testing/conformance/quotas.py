"""What was learned of how many tokens deployments take at once."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.models import JobState
from litebatch_asgi.quotas import OpenTokens
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, stored_batch
from litebatch_asgi.testing.samples import a_batch, a_file, a_job
from litebatch_asgi.testing.tables import OPEN_JOBS

HOUR = 3600.0


async def known(storage: Storage, *deployments: str, seconds: float = HOUR) -> list[tuple[str, str, int]]:
    """What is known of these deployments."""
    limits = await storage.quotas.known(deployments, seconds)
    return [(limit.deployment_id, limit.model, limit.tokens) for limit in limits]


class QuotaTests(StorageTests):
    """What was learned of how many tokens deployments take at once."""

    async def test_a_limit_is_known_once_it_was_learned(self, storages: Sequence[Storage]) -> None:
        """To all processes, of its deployment and model alone, in order of these."""
        first, last = storages[0], storages[-1]
        assert await known(first, "east", "west") == []
        for where, model, tokens in (("west", "a", 3), ("east", "b", 2**60), ("east", "a", 1)):
            await first.quotas.learn(where, model, tokens)
        assert await known(last, "west", "east", "north") == [
            ("east", "a", 1),
            ("east", "b", 2**60),
            ("west", "a", 3),
        ]
        assert await known(last, "west") == [("west", "a", 3)]
        assert await known(last, "north") == []
        assert await known(last) == []

    async def test_the_last_word_counts(self, storage: Storage) -> None:
        """Whether it is more or less, and it is known since then."""
        for tokens in (5, 7, 3):
            before = await storage.now()
            await storage.quotas.learn("east", "a", tokens)
            [limit] = await storage.quotas.known(["east"], HOUR)
            assert limit.tokens == tokens
            assert before <= limit.learned_at <= await storage.now()

    async def test_limits_lapse(self, storage: Storage) -> None:
        """What was learned longer ago than asked for is not told; it is still there for who asks for more."""
        await storage.quotas.learn("east", "a", 5)
        assert await known(storage, "east", seconds=0) == []
        assert await known(storage, "east", seconds=HOUR) == [("east", "a", 5)]

    async def test_a_limit_is_forgotten_by_what_is_larger(self, storage: Storage) -> None:
        """Not by what is as large, nor another model's or deployment's."""
        for where, model in (("east", "a"), ("east", "b"), ("west", "a")):
            await storage.quotas.learn(where, model, 5)
        assert not await storage.quotas.forget("east", "a", below=5)
        assert not await storage.quotas.forget("east", "c", below=9)
        assert await storage.quotas.forget("east", "a", below=6)
        assert not await storage.quotas.forget("east", "a", below=6)
        assert await known(storage, "east", "west") == [("east", "b", 5), ("west", "a", 5)]

    async def test_open_tokens_are_summed_by_deployment_and_model(self, storage: Storage) -> None:
        """Of jobs that wait for it, are under way to it or run there, where that is asked for."""
        for number, state in enumerate(JobState):
            for model in ("a", "b"):
                batch = a_batch(a_file(models=(model,)))
                there = {"state": state, "tokens": 10**number}
                jobs = (
                    a_job(batch, deployment_id="east", **there),
                    a_job(batch, deployment_id="west", shard=1, **there),
                    a_job(batch, deployment_id=None, shard=2, **there),
                )
                await stored_batch(storage, *jobs, batch=batch)
        tokens = sum(10**number for number, state in enumerate(JobState) if state in OPEN_JOBS)
        expected = [
            OpenTokens(deployment_id=where, model=model, tokens=tokens, jobs=len(OPEN_JOBS))
            for where in ("east", "west")
            for model in ("a", "b")
        ]
        assert await storage.quotas.open_tokens(["west", "east", "north"]) == expected
        assert await storage.quotas.open_tokens(["east"]) == expected[:2]
        assert await storage.quotas.open_tokens(["north"]) == []
        assert await storage.quotas.open_tokens([]) == []
