"""Goes through what a deployment has, and adopts what nobody manages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Literal

import msgspec

from litebatch_asgi.adoption.rows import Account, batch_and_job, file_state, virtual_model
from litebatch_asgi.batch_events import creation_events
from litebatch_asgi.errors import (
    ConfigError,
    InvalidFile,
    NoClearAnswer,
    ProviderError,
    ProviderNotFound,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.admission import line_checker
from litebatch_asgi.jsonl import CheckedFile
from litebatch_asgi.models import (
    BatchChange,
    FileState,
    ProviderBatch,
    ProviderFile,
    ProviderFileStatus,
    Settings,
)
from litebatch_asgi.models.ids import FILE_PREFIX
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB, oldest_first
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.storage import Storage
from litebatch_asgi.threads import in_thread


class Outcome(StrEnum):
    """What became of something that a provider has."""

    ADOPTED = "adopted"
    """in a dry run: it would be"""
    KNOWN = "known"
    """it is managed already"""
    PASSED_OVER = "passed_over"


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider has, and what became of it."""

    kind: Literal["batch", "file"]
    outcome: Outcome
    provider_id: str
    id: str | None = None
    """the unified one"""
    status: str | None = None
    """at the provider"""
    model: str | None = None
    """the virtual one"""
    requests: int | None = None
    reason: str | None = None
    """why it is passed over"""


class _PassedOver(Exception):
    """What cannot be adopted, and why."""


class Adopter:
    """Gives what was made elsewhere at one deployment to an owner.

    What carries the tag of this installation or another one is left alone. A batch whose input cannot be
    read, does not pass our check, or names a model that is not the deployment's, is passed over.

    Raises `ConfigError` for a deployment whose provider does not keep OpenAI's lines: what its batches were
    asked, and which answer is whose, could not be told.
    """

    def __init__(
        self,
        storage: Storage,
        account: Account,
        adapter: ProviderAdapter,
        settings: Settings,
        *,
        thresholds: tuple[int, ...] = (),
        dry_run: bool = False,
    ) -> None:
        if not adapter.keeps_files or adapter.dialect(account.deployment.upstream_model) is not None:
            raise ConfigError(
                f"the provider of {account.deployment_id} does not keep lines in OpenAI's form: what its "
                "batches were asked cannot be told, so they cannot be adopted"
            )
        self._storage = storage
        self._account = account
        self._adapter = adapter
        self._settings = settings
        self._thresholds = thresholds
        self._dry_run = dry_run
        self._inputs: dict[str, FileState | _PassedOver] = {}
        self._known_inputs: set[str] = set()
        """those of batches that are managed already; another batch may have the same"""

    async def adopt(self, since: datetime) -> AsyncIterator[Adopted]:
        """All batches made since then, and all inputs without one; those made first come first.

        Raises `ProviderError` if the deployment does not list them; what was adopted until then is. A second
        run, also one at the same time, goes on where this one ends.
        """
        for batch in oldest_first([each async for each in self._adapter.list_batches(since=since)]):
            yield await self._batch(batch)
        for file in oldest_first([each async for each in self._adapter.list_files(since=since)]):
            if file.purpose == "batch" and file.id not in self._inputs.keys() | self._known_inputs:
                yield await self._file(file)

    async def _batch(self, made: ProviderBatch) -> Adopted:
        told = partial(Adopted, kind="batch", provider_id=made.id, status=made.status.value)
        batch_id = self._account.batch_id(made)
        is_tagged = TAG_JOB in made.metadata or TAG_INSTALLATION in made.metadata
        if is_tagged or await self._storage.get_batch(batch_id) is not None:
            if made.input_file_id is not None:
                self._known_inputs.add(made.input_file_id)
            return told(outcome=Outcome.KNOWN, id=None if is_tagged else batch_id)
        try:
            file = await self._input_of(made)
        except _PassedOver as reason:
            return told(outcome=Outcome.PASSED_OVER, reason=str(reason))
        now = await self._storage.now()
        batch, job = batch_and_job(self._account, made, file, now)
        about = partial(told, id=batch.id, model=batch.model, requests=file.file.lines)
        if not self._dry_run:
            hit("adopt.file_stored")
            change = BatchChange(batch=batch, new_jobs=(job,), events=creation_events(batch, now))
            try:
                await self._storage.create_batch(file.file.id, lambda current: change)
            except StateConflict:
                return about(outcome=Outcome.KNOWN)
        return about(outcome=Outcome.ADOPTED)

    async def _file(self, made: ProviderFile) -> Adopted:
        told = partial(Adopted, kind="file", provider_id=made.id, status=made.status.value)
        file_id = self._account.file_id(made)
        if made.filename.startswith(FILE_PREFIX) or await self._storage.get_file(file_id) is not None:
            return told(outcome=Outcome.KNOWN)
        try:
            state, is_new = await self._adopted(made)
        except _PassedOver as reason:
            return told(outcome=Outcome.PASSED_OVER, reason=str(reason))
        file = state.file
        outcome = Outcome.ADOPTED if is_new else Outcome.KNOWN
        return told(outcome=outcome, id=file.id, model=file.models[0], requests=file.lines)

    async def _input_of(self, batch: ProviderBatch) -> FileState:
        """The input of a batch, adopted with it unless it was before. Raises `_PassedOver`."""
        name = batch.input_file_id
        if name is None:
            raise _PassedOver("the provider does not tell its input file")
        if name not in self._inputs:
            try:
                self._inputs[name], _ = await self._adopted(await self._looked_up(name))
            except _PassedOver as reason:
                self._inputs[name] = reason
        found = self._inputs[name]
        if isinstance(found, _PassedOver):
            raise found
        return found

    async def _looked_up(self, file_id: str) -> ProviderFile:
        try:
            return await self._adapter.retrieve_file(file_id)
        except ProviderNotFound:
            raise _PassedOver("its input file is gone") from None
        except ProviderError as error:
            raise _PassedOver(f"its input file cannot be looked at now: {error.message}") from error

    async def _adopted(self, made: ProviderFile) -> tuple[FileState, bool]:
        """A provider's file as one of ours, and whether it is so since now. Raises `_PassedOver`."""
        known = await self._storage.get_file(self._account.file_id(made))
        if known is not None:
            return await self._usable(known), False
        if made.filename.startswith(FILE_PREFIX):
            raise _PassedOver("its input file is a copy of a managed file")
        if made.status is ProviderFileStatus.FAILED:
            raise _PassedOver("the provider cannot use its input file")
        lines = await self._checked(made)
        model = virtual_model(self._account.deployment, lines.model)
        if model is None:
            raise _PassedOver(f"its lines name {lines.model!r}, which is not the deployment's model")
        state = file_state(self._account, made, lines, model, await self._storage.now())
        if self._dry_run:
            return state, True
        try:
            created = await self._storage.create_file(state.file, state.copies, shards=state.shards)
            return created, True
        except StateConflict:  # another run was faster
            known = await self._storage.get_file(state.file.id)
            assert known is not None
            return await self._usable(known), False

    async def _usable(self, state: FileState) -> FileState:
        file = state.file
        if file.owner != self._account.owner:
            raise _PassedOver(f"its input file belongs to {file.owner}")
        if not file.is_visible(await self._storage.now()):
            raise _PassedOver("its input file was deleted here, or has expired")
        if all(copy.deployment_id != self._account.deployment_id for copy in state.copies):
            raise _PassedOver("its input file was adopted with another deployment")
        return state

    async def _checked(self, made: ProviderFile) -> CheckedFile:
        """What is known of a file, which is read once. Raises `_PassedOver`."""
        checker = line_checker(self._settings, lambda model: None, self._thresholds)
        try:
            async with self._adapter.stream_file(made.id) as stream:
                async for block in stream.blocks:
                    checker.feed(block)
            return await in_thread(checker.finish)
        except InvalidFile as error:
            raise _PassedOver(f"its input file does not pass the check: {error.message}") from error
        except ProviderNotFound:
            raise _PassedOver("its input file is gone") from None
        except NoClearAnswer as error:
            raise _PassedOver(f"its input file cannot be read now: {error.message}") from error
        except ProviderError as error:
            raise _PassedOver(f"its input file cannot be read: {error.message}") from error
