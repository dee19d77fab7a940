"""What Vertex does in its own way with jobs, however they are asked for."""

from __future__ import annotations

import hashlib
import random
import re
from datetime import UTC, datetime

from .json_values import JSON
from .objects import BatchObject

RUNNING_SECONDS = 86_400
"""how long a job may run"""
DEFAULT_PROJECT = "simulator"
DEFAULT_LOCATION = "us-central1"
MODEL = "publishers/google/models/gemini-2.5-flash"
_ids = random.SystemRandom()


def project_number(project: str) -> str:
    """The number of a project that is named by its id, or by its number."""
    if project.isdecimal():
        return project
    digest = int.from_bytes(hashlib.blake2b(project.encode(), digest_size=8).digest())
    return str(10**11 + digest % (9 * 10**11))


def new_job_name(project: str = DEFAULT_PROJECT, location: str = DEFAULT_LOCATION) -> str:
    """The resource name of a new job."""
    number = project_number(project)
    return f"projects/{number}/locations/{location}/batchPredictionJobs/{_ids.randrange(10**17, 9 * 10**18)}"


def job_details(batch: BatchObject) -> JSON:
    """What a client would have asked for to make a job that the simulator made by itself."""
    details: JSON = {
        "displayName": "simulated",
        "model": batch.endpoint if "/models/" in batch.endpoint else MODEL,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [batch.input_file_id]}},
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": f"gs://simulated/{batch.id.rpartition('/')[2]}"},
        },
    }
    if batch.metadata:
        details["displayName"] = batch.metadata.get("displayName", "simulated")
        details["labels"] = {key: value for key, value in batch.metadata.items() if key != "displayName"}
    return details


def deadline(batch: BatchObject) -> float | None:
    """A day after the start."""
    return None if batch.in_progress_at is None else batch.in_progress_at + RUNNING_SECONDS


def output_directory(batch: BatchObject, details: JSON) -> str:
    """Where the output of a job goes: a new folder below its prefix, without a slash at the end."""
    prefix: str = details["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    at = datetime.fromtimestamp(batch.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = int(batch.id.rpartition("/")[2]) % 1_000_000
    return f"{prefix.rstrip('/')}/prediction-model-{at}.{fraction:06d}Z"


def output_names(count: int) -> list[str]:
    """The names of so many files of output."""
    if count == 1:
        return ["predictions.jsonl"]
    return [f"predictions_{index:04d}.jsonl" for index in range(1, count + 1)]


def bucket_and_name(uri: str) -> tuple[str, str] | None:
    """The parts of `gs://bucket/name`, whose name may be empty; None if it is no such thing."""
    found = re.fullmatch(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?", uri, re.DOTALL)
    return None if found is None else (found[1], found[2] or "")
