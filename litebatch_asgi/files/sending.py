"""Sending: a copy is uploaded, and what the deployment says of it is checked."""

from __future__ import annotations

import logging
from datetime import datetime

from litebatch_asgi.errors import (
    ContentRefused,
    CopyDiffers,
    DeploymentRefused,
    ProviderError,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.copies import CopyWork
from litebatch_asgi.files.forms import Form, SentAs
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifetimes import life_to_ask_for
from litebatch_asgi.models import CopyState, File, FileCopy, ProviderFile, ProviderFileStatus, Shard
from litebatch_asgi.provider import FileUpload
from litebatch_asgi.refusals import has_no_room

logger: logging.Logger = logging.getLogger(__name__)


class Sender(CopyWork):
    """Uploads copies, and says what a provider's file is worth."""

    async def start(self, copy: FileCopy, sent: SentAs) -> FileCopy:
        """Write that an upload begins; of one that is made anew the row still says what it was sent as."""
        now = self.runtime.now()
        what = {} if copy.provider_file_id is not None else {"model": sent.model, "bytes": sent.bytes}
        return await self.write_and_keep_claim(copy, started_at=now, search_until=None, now=now, **what)

    async def send(
        self, copy: FileCopy, file: File, shard: Shard, form: Form, lease: Lease
    ) -> ProviderError | None:
        """Upload a copy that is ours; what stood against it, or None."""
        if form.refusal is not None:
            await self.record_upload_failure(copy, form.refusal)
            return form.refusal
        upload = FileUpload(
            filename=self.tag(file, shard.shard),
            purpose=file.purpose,
            size=form.sent.bytes,
            content=form.content,
            expires_after_seconds=life_to_ask_for(await self._end_of(shard, file), self.runtime.now()),
        )
        hit("upload.intended")
        await lease.ensure(self.runtime.settings.call_timeout_seconds)
        try:
            with self.span_of("copy", copy, file):
                made = await self.runtime.fleet.adapter(copy.deployment_id).upload_file(upload)
        except ProviderError as error:
            self._cool_down_after(copy, error)
            await self.record_upload_failure(copy, error)
            return error
        hit("upload.answered")
        return await self._took(copy, file, shard, made, form.sent)

    async def _end_of(self, shard: Shard, file: File) -> datetime | None:
        """When what a copy is of expires: with its file, or with the batch that alone it is for."""
        batch = await self.runtime.storage.get_batch(shard.batch_id) if shard.batch_id else None
        return batch.expires_at if batch is not None else file.expires_at

    def _cool_down_after(self, copy: FileCopy, error: ProviderError) -> None:
        """A deployment that refuses is left alone, by batches as well; not one that has no room for files."""
        if isinstance(error, DeploymentRefused) and error.status is not None and not has_no_room(error):
            self.runtime.fleet.refused(copy.deployment_id, error)

    async def _took(
        self, copy: FileCopy, file: File, shard: Shard, made: ProviderFile, sent: SentAs
    ) -> ProviderError | None:
        error = await self._wrong_with(copy, file, shard, made, sent)
        if error is not None:
            await self.delete_there(copy, made.id)
            await self.record_upload_failure(copy, error)
            return error
        try:
            await self.record_upload(copy, made, sent, watch_until=copy.watch_until)
        except StateConflict:
            error = await self._undo(copy, made)
        hit("upload.stored")
        return error

    async def _wrong_with(
        self, copy: FileCopy, file: File, shard: Shard, made: ProviderFile, sent: SentAs
    ) -> ProviderError | None:
        if made.status is ProviderFileStatus.FAILED:
            return ContentRefused(made.status_details or "The provider cannot use the file.")
        if made.bytes in (None, sent.bytes) or self.runtime.fleet.ignores_bytes(copy.deployment_id):
            return None
        try:
            if await self.is_right(copy, file, shard, made, sent):
                return None
        except ProviderError as error:
            told = {"deployment": copy.deployment_id, "error": error.message}
            logger.warning("a copy cannot be read back", extra=told)
        return CopyDiffers(f"the deployment says that it has {made.bytes} of {sent.bytes} bytes")

    async def is_right(
        self,
        copy: FileCopy,
        file: File,
        shard: Shard,
        made: ProviderFile,
        sent: SentAs,
        *,
        read: bool = False,
    ) -> bool:
        """Whether a provider's file holds what was to be sent; it is read unless its size tells.

        What a deployment says of sizes counts for nothing once it was wrong. `read`: to be read in any case.
        Raises `ProviderError` if it cannot be read.
        """
        fleet = self.runtime.fleet
        tells = made.bytes == sent.bytes
        if tells and not read and not fleet.ignores_bytes(copy.deployment_id):
            return True
        is_right = await self.origin.is_copy(file, shard, copy.deployment_id, made.id, sent)
        hit("upload.read_back")
        if is_right and made.bytes is not None and not tells:
            fleet.ignore_bytes(copy.deployment_id)
        return is_right

    async def _undo(self, copy: FileCopy, made: ProviderFile) -> ProviderError | None:
        """Somebody else holds the copy now: leave it what it has adopted or may, delete it otherwise."""
        state = await self.runtime.storage.get_file(copy.file_id)
        row = next((each for each in state.copies if each.key == copy.key), None) if state else None
        is_adopted = row is not None and row.provider_file_id == made.id
        may_be = row is not None and row.state is CopyState.INTENT and row.started_at == copy.started_at
        if not is_adopted and not may_be:
            await self.delete_there(copy, made.id)
        if state is not None and state.file.accepted_at is not None and (is_adopted or may_be):
            return None
        return DeploymentRefused("the upload ended when somebody else had taken it over")
