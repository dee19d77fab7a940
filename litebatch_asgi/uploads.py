"""The seam to uploads: files that are sent in parts, and the parts that have come.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from litebatch_asgi.models import Upload, UploadPart, UploadRoom, UploadStatus


class UploadStore(Protocol):
    """Keeps uploads and their parts; the bytes of a part are a content, see `ContentRows`.

    Every method may raise `StorageUnavailable`, and does when the storage is not open. A method that is
    cancelled has written all or nothing. `Storage.create_file` makes the file of an upload.
    """

    async def create(self, upload: Upload, *, keys_since: datetime, room: UploadRoom) -> Upload:
        """Insert an upload, or return the newest one of its owner with its `request_key`.

        That is one that was created since `keys_since`; `KeyReused` is raised if its `request_fingerprint`
        is another. `room` is checked for all bytes of the upload and what it counts as itself, against what
        the pending uploads hold: what that raises passes through. Raises `StateConflict` if the id is there.
        """
        ...

    async def get(self, upload_id: str) -> Upload | None:
        """An upload."""
        ...

    async def add_part(self, part: UploadPart, *, room: UploadRoom) -> Upload:
        """Insert a part of a pending upload, and turn its content from `writing` into `kept`.

        Returns the upload, which has one part more and holds `part.held_bytes` more. `room` is checked for
        these, against what the pending uploads hold, while no other part can be added: what that raises
        passes through. Raises `StateConflict` if the upload is not pending, was to expire by the part's
        `created_at` or has `MOST_PARTS`, or if the content is in another state, or the id is there.
        """
        ...

    async def parts(self, upload_id: str) -> list[UploadPart]:
        """The parts of an upload, in order of their ids; none once it has ended."""
        ...

    async def end(self, upload_id: str, status: UploadStatus, at: datetime) -> Upload:
        """End a pending upload: it gets `status` and `ended_at`, its parts go, their contents are `deleting`.

        It is `completed` instead, whatever `status` says, if its `file_id` is an accepted file that is
        neither deleted nor expired by `at`. Raises `RequestUnderWay` while that file is not accepted and
        a claim on one of its copies runs. Returns the upload as written; one that has ended, as it is. Raises
        `StateConflict` if there is no such upload, or none that can be `completed`.
        """
        ...

    async def overdue(self, before: datetime, *, limit: int) -> list[str]:
        """The ids of at most `limit` pending uploads that were to expire before that, the oldest first."""
        ...

    async def remove_ended(self, before: datetime, *, limit: int) -> int:
        """Remove at most `limit` uploads that ended before that; how many are gone."""
        ...
