"""Mistral's jobs, and what they are in OpenAI's words.

Source: Mistral's OpenAPI document, BatchJobIn and BatchJobOut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from litebatch_asgi.dialects.reading import items
from litebatch_asgi.jsonl.answers import whole
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.providers.openai.reading import Object

LONGEST_KEY = 32
LONGEST_VALUE = 512
"""characters of `metadata`, which has at least one of each"""
DEFAULT_HOURS = 24
_WINDOW = re.compile(r"(\d{1,4})([hd])")


def job_fields(submission: BatchSubmission) -> dict[str, object]:
    """What the creation of a job is told.

    Of the client's own metadata only what fits goes along; the client is never shown it from there.
    """
    fields: dict[str, object] = {
        "input_files": [submission.input_file_id],
        "endpoint": submission.endpoint,
        "timeout_hours": hours(submission.completion_window),
    }
    if submission.model is not None:
        fields["model"] = submission.model
    if metadata := {key: value for key, value in submission.metadata.items() if _fits(key, value)}:
        fields["metadata"] = metadata
    return fields


def _fits(key: str, value: str) -> bool:
    return key in (TAG_JOB, TAG_INSTALLATION) or (
        0 < len(key) <= LONGEST_KEY and 0 < len(value) <= LONGEST_VALUE
    )


def hours(window: str) -> int:
    """How many hours a completion window has; a day for one that is written in another way."""
    found = _WINDOW.fullmatch(window)
    if found is None:
        return DEFAULT_HOURS
    return int(found[1]) * (24 if found[2] == "d" else 1)


def as_batch(job: Object) -> Object:
    """A job with the names that OpenAI's Batch has; its `completed_requests` were processed, well or not."""
    files = items(job.get("input_files"))
    return {
        **job,
        "in_progress_at": job.get("started_at"),
        "input_file_id": files[0] if files else None,
        "output_file_id": job.get("output_file"),
        "error_file_id": job.get("error_file"),
        "request_counts": _counts(job),
    }


def _counts(job: Object) -> Mapping[str, int | None]:
    total, processed, succeeded, failed = (
        whole(job.get(f"{name}_requests")) for name in ("total", "completed", "succeeded", "failed")
    )
    if succeeded is None and processed is not None:
        succeeded = processed - (failed or 0)
    return {"total": total, "completed": succeeded, "failed": failed}
