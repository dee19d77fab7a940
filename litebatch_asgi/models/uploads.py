"""Uploads: files that are sent in parts, before they are files."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from litebatch_asgi.errors import FileTooLarge, KeyReused, StateConflict, UploadsFull

LEAST_UPLOAD_BYTES = 1 << 20
"""what an upload counts as without any part: so their number is limited as well"""
LEAST_PART_BYTES = 64 << 10
"""what a part counts as at least, likewise"""
MOST_PART_BYTES = 64 << 20
MOST_UPLOAD_BYTES = 8 << 30
"""Source of both: OpenAI's OpenAPI document"""
MOST_PARTS = 5000
"""of one upload, those included that are not used in the end"""


class UploadStatus(StrEnum):
    """The statuses of an OpenAI upload."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is sent in parts."""

    id: str
    owner: str
    created_by: str | None
    """the principal's `key_id`"""
    filename: str
    purpose: str
    bytes: int
    """of the whole file, as its sender has said"""
    mime_type: str
    models: tuple[str, ...] = ()
    """`target_model_names`"""
    expires_after_seconds: int | None = None
    """how long the file is to live"""
    status: UploadStatus = UploadStatus.PENDING
    created_at: datetime
    expires_at: datetime
    """of the upload, not of its file"""
    ended_at: datetime | None = None
    parts: int = 0
    held_bytes: int = LEAST_UPLOAD_BYTES
    """what its parts count as, see `UploadRoom`"""
    file_id: str | None = None
    """the file that it was made into last; it counts once that is accepted"""
    completion: str | None = None
    """equal for completions of the upload that ask for the same: of the one that has made that file"""
    request_key: str | None = None
    """the idempotency key of its create"""
    request_fingerprint: str | None = None
    """equal for creates with that key that ask for the same"""

    def is_expired(self, now: datetime) -> bool:
        """Whether its time was over before it came to an end."""
        return self.status is UploadStatus.EXPIRED or (
            self.status is UploadStatus.PENDING and self.expires_at <= now
        )


class UploadPart(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the bytes of an upload. Which of them is told when the upload is completed."""

    id: str
    upload_id: str
    bytes: int
    content_key: str
    """of the content that the part is"""
    store: str
    """the content store that has it"""
    created_at: datetime

    @property
    def held_bytes(self) -> int:
        """What it counts as."""
        return max(self.bytes, LEAST_PART_BYTES)


class PartCap(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes a part may have, as a `SizeCap`. Source: OpenAI's OpenAPI document."""

    bytes: int = MOST_PART_BYTES

    def exceeded(self) -> FileTooLarge:
        """What is said of a larger part."""
        return FileTooLarge(
            f"The part is too large: at most {self.bytes} bytes are allowed. Send smaller ones.", param="data"
        )


class UploadRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The space in the content store for parts of uploads that have not ended, shared between owners.

    An owner has at most three quarters of what others leave free, so that somebody else's part always fits.
    """

    bytes: int
    """for all of them together"""

    def check(self, asked: int, *, mine: int, others: int) -> None:
        """Raises `UploadsFull` if so many bytes do not fit now beside what the owner and others hold.

        Raises `FileTooLarge` if they never fit.
        """
        if asked > 3 * self.bytes // 4:
            raise FileTooLarge(
                f"The upload is too large: with its parts it counts as {asked} bytes, and one owner may have "
                f"at most three quarters of max_unfinished_upload_bytes, which is {self.bytes}.",
                param="bytes",
            )
        share = 3 * max(0, self.bytes - others) // 4
        if mine + asked > share:
            raise UploadsFull(
                f"Parts of your unfinished uploads hold {mine} bytes, of at most {share} at the moment, and "
                f"{asked} more do not fit. Complete or cancel one of them, or try again later: an upload "
                "that is not completed expires an hour after it was created."
            )


def check_takes(upload: Upload, part: UploadPart) -> None:
    """Raises `StateConflict` if a part can be added to an upload no more."""
    if upload.status is not UploadStatus.PENDING or upload.is_expired(part.created_at):
        raise StateConflict(f"upload {upload.id} has ended")
    if upload.parts >= MOST_PARTS:
        raise StateConflict(f"upload {upload.id} has {upload.parts} parts")


def check_same(earlier: Upload, asked: Upload) -> Upload:
    """The upload that an earlier create with a key has made. Raises `KeyReused` if it asked for another."""
    if earlier.request_fingerprint != asked.request_fingerprint:
        raise KeyReused("This Idempotency-Key was sent with another request before. Take a new one.")
    return earlier


def check_makes_file(upload: Upload | None, upload_id: str | None) -> Upload:
    """The upload, if a file may be made of it. Raises `StateConflict`."""
    if upload is None or upload.status in (UploadStatus.CANCELLED, UploadStatus.EXPIRED):
        raise StateConflict(f"upload {upload_id} is not there, or has ended")
    return upload


def check_completes_alike(upload: Upload, completion: str) -> None:
    """Raises `StateConflict` if an upload was completed in another way than is asked for now."""
    if upload.completion != completion:
        raise StateConflict(f"upload {upload.id} was completed with other parts")
