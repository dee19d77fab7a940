"""Unified ids: a prefix and a UUIDv7 in 26 characters, recognisable without a database."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from hashlib import blake2b

FILE_PREFIX = "file-lb"
BATCH_PREFIX = "batch_lb"
JOB_PREFIX = "job_lb"
EVENT_PREFIX = "evt_lb"
CHARGE_PREFIX = "chg_lb"
KEY_PREFIX = "key_lb"
WEBHOOK_PREFIX = "we_lb"
CONTENT_PREFIX = "content-lb"
UPLOAD_PREFIX = "upload_lb"
PART_PREFIX = "part_lb"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32, lower case
_BODY = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
_NO_FILE, _NO_BATCH = FILE_PREFIX + 26 * "0", BATCH_PREFIX + 26 * "0"
_NO_WEBHOOK, _NO_UPLOAD = WEBHOOK_PREFIX + 26 * "0", UPLOAD_PREFIX + 26 * "0"
_FILE = re.compile(FILE_PREFIX + _BODY)
_BATCH = re.compile(BATCH_PREFIX + _BODY)
_WEBHOOK = re.compile(WEBHOOK_PREFIX + _BODY)
_UPLOAD = re.compile(UPLOAD_PREFIX + _BODY)


def _uuid7(milliseconds: int, bits: bytes) -> int:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits."""
    random = int.from_bytes(bits, "big")
    high = (milliseconds & (1 << 48) - 1) << 16 | 0x7 << 12 | (random >> 68) & 0xFFF
    return high << 64 | 0b10 << 62 | random & (1 << 62) - 1


def new_id(prefix: str) -> str:
    """A fresh id: `prefix` and 26 characters that sort by the millisecond they were made in."""
    return prefix + _spelled(_uuid7(time.time_ns() // 1_000_000, os.urandom(10)))


def derived_id(prefix: str, made_at: datetime, *parts: str) -> str:
    """The id of what is known by `parts`: always the same, of the form of a fresh one of that time."""
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).digest()
    return prefix + _spelled(_uuid7(int(made_at.timestamp() * 1000), digest))


def _spelled(value: int) -> str:
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def job_id(batch_id: str, shard: int, attempt: int) -> str:
    """The id of a batch's job: a database that was restored gives an attempt the name that it had before."""
    return f"{job_family(batch_id, shard)}{attempt}"


def job_family(batch_id: str, shard: int) -> str:
    """What the ids of all attempts at a shard begin with; the number of the attempt follows."""
    return f"{JOB_PREFIX}{batch_id.removeprefix(BATCH_PREFIX)}-{shard}-"


def family_of(job_id: str) -> str:
    """What a job's id has in common with those of the other attempts at its shard."""
    head, dash, _ = job_id.rpartition("-")
    return head + dash or job_id


def attempt_of(job_id: str, family: str) -> int | None:
    """The number of the attempt in a job's id; None for an id of another family."""
    number = job_id.removeprefix(family)
    return int(number) if number != job_id and number.isascii() and number.isdigit() else None


def is_file_id(text: str) -> bool:
    """Whether `text` has the form of a file id of ours; it may still be unknown."""
    return _FILE.fullmatch(text) is not None


def file_id_in(text: str) -> str:
    """`text` if it has the form of a file id of ours, else the id that no file has.

    Whatever a caller names is looked up: a provider's id takes the time that an unknown one of ours takes.
    """
    return text if is_file_id(text) else _NO_FILE


def batch_id_in(text: str) -> str:
    """`text` if it has the form of a batch id of ours, else the id that no batch has: see `file_id_in`."""
    return text if is_batch_id(text) else _NO_BATCH


def is_batch_id(text: str) -> bool:
    """Whether `text` has the form of a batch id of ours; it may still be unknown."""
    return _BATCH.fullmatch(text) is not None


def webhook_id_in(text: str) -> str:
    """`text` if it has the form of a webhook endpoint's id, else the id that none has: see `file_id_in`."""
    return text if is_webhook_id(text) else _NO_WEBHOOK


def is_webhook_id(text: str) -> bool:
    """Whether `text` has the form of a webhook endpoint's id of ours; it may still be unknown."""
    return _WEBHOOK.fullmatch(text) is not None


def upload_id_in(text: str) -> str:
    """`text` if it has the form of an upload id of ours, else the id that no upload has: see `file_id_in`."""
    return text if is_upload_id(text) else _NO_UPLOAD


def is_upload_id(text: str) -> bool:
    """Whether `text` has the form of an upload id of ours; it may still be unknown."""
    return _UPLOAD.fullmatch(text) is not None
