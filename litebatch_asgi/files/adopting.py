"""Adopting: an upload whose answer was lost is found again by its tag."""

from __future__ import annotations

from litebatch_asgi.files.forms import SentAs, dialect_of
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.models import FileCopy, FileState, ProviderFile, ProviderFileStatus, Shard


class Adopter(Sender):
    """Looks for uploads in doubt."""

    async def adopt(self, copy: FileCopy, state: FileState) -> bool:
        """Take over the oldest file with our tag that holds what was sent; whether there is one.

        The others are deleted: once no batch of the file is open, for one of them may be what it reads.
        """
        found = [each for each in await self.tagged(copy, state.file) if each.id != copy.provider_file_id]
        if not found:
            return False
        shard = await self.shard_of(copy, state)
        sent = await self._sent(copy, shard, state)
        is_read = await self.is_read(copy, state)
        right: ProviderFile | None = None
        for each in [await self._sized(copy, each) for each in found]:
            if right is None and await self._is_it(copy, shard, state, each, sent):
                right = each
            elif not is_read:
                await self.delete_there(copy, each.id)
        if right is None:
            return False
        others_left = is_read and len(found) > 1
        watch_until = copy.watch_until or self.runtime.now() if others_left else None
        await self.record_upload(copy, right, sent, watch_until=watch_until)
        return True

    async def _sent(self, copy: FileCopy, shard: Shard, state: FileState) -> SentAs:
        """What the upload in doubt was sent as; of a copy that is made anew the row tells what it was."""
        if copy.provider_file_id is None and copy.bytes is not None:
            dialect = dialect_of(self.runtime.fleet, copy.deployment_id, state.file)
            return SentAs(copy.model, copy.bytes, is_translated=dialect is not None)
        async with self.form(copy, shard, state) as form:
            return form.sent

    async def _is_it(
        self, copy: FileCopy, shard: Shard, state: FileState, found: ProviderFile, sent: SentAs
    ) -> bool:
        """Beside the copy before, which may be as large, only the bytes tell which one it is."""
        if found.status is ProviderFileStatus.FAILED:
            return False
        is_anew = copy.provider_file_id is not None
        return await self.is_right(copy, state.file, shard, found, sent, read=is_anew)

    async def _sized(self, copy: FileCopy, file: ProviderFile) -> ProviderFile:
        """Lists may leave the size out, which a look at the file itself tells."""
        if file.bytes is not None:
            return file
        return await self.runtime.fleet.adapter(copy.deployment_id).retrieve_file(file.id)
