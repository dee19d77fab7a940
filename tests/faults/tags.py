"""Whose a provider's batch is, however much of it the provider tells.

OpenAI keeps all metadata of a batch, Vertex the tag alone, and Anthropic nothing: there a mark in each custom
id stands for the tag, sixteen hexadecimal digits of a hash of it.
"""

from __future__ import annotations

import hashlib
import json

from msgspec.structs import replace

from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.simulator.anthropic_intake import CUSTOM_ID_SUFFIX
from litebatch_asgi.simulator.objects import BatchObject
from tests.database import Database

JOURNEY = "journey"
"""metadata key of our batches: what is to become of one"""


class Tags:
    """The jobs of an installation, as its database has told of them."""

    def __init__(self, installation: str) -> None:
        self._installation = installation
        self._journeys: dict[str, str] = {}
        self._marked: dict[str, str] = {}

    async def learn(self, database: Database) -> bool:
        """Look for jobs that are not known yet; whether there are any. What is known stays known."""
        jobs = await database.rows("SELECT jobs.id, metadata FROM jobs JOIN batches ON batches.id = batch_id")
        new = {job_id: metadata for job_id, metadata in jobs if job_id not in self._journeys}
        for job_id, metadata in new.items():
            self._journeys[job_id] = json.loads(metadata or "{}").get(JOURNEY, "")
            self._marked[mark_of(self._installation, job_id)] = job_id
        return bool(new)

    def told(self, batch: BatchObject) -> BatchObject:
        """The batch with tag and journey in its metadata, if it is one of ours."""
        metadata = batch.metadata or {}
        mark = metadata.get(CUSTOM_ID_SUFFIX)
        if mark in self._marked:
            metadata = {TAG_INSTALLATION: self._installation, TAG_JOB: self._marked[mark]}
        if metadata.get(TAG_INSTALLATION) != self._installation or JOURNEY in metadata:
            return batch
        return replace(batch, metadata=metadata | {JOURNEY: self._journeys.get(metadata[TAG_JOB], "")})

    def is_strange(self, batch: BatchObject) -> bool:
        """Whether a batch has a mark that stands for no job of ours."""
        mark = (batch.metadata or {}).get(CUSTOM_ID_SUFFIX)
        return mark is not None and mark not in self._marked


def mark_of(installation: str, job_id: str) -> str:
    """The mark of a job."""
    tag = json.dumps([installation, job_id], separators=(",", ":")).encode()
    return hashlib.blake2b(tag, digest_size=8).hexdigest()
