"""What the tests of the adapter for Vertex AI share."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers.vertex import VertexAdapter

from .wire import Answer, answer, submission_of

QUARTER = 262_144
JOBS = "/v1/projects/my-project/locations/europe-west4/batchPredictionJobs"
JOB_NAME = "projects/1234567890/locations/europe-west4/batchPredictionJobs/77"
JOB: dict[str, Any] = {
    "name": JOB_NAME,
    "displayName": "litebatch/inst/job-1",
    "state": "JOB_STATE_PENDING",
    "createTime": "2026-11-14T22:13:20.123456789Z",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://my-bucket/in.jsonl"]}},
}
OBJECT: dict[str, Any] = {
    "kind": "storage#object",
    "name": "litebatch/vertex-1/in/20261114T221320-0123456789abcdef/file-lb1-inst.jsonl",
    "bucket": "my-bucket",
    "size": "3",
    "timeCreated": "2026-11-14T22:13:20.123Z",
}


class SmallChunks(VertexAdapter):
    """Uploads in chunks of 256 KiB, the least."""

    chunk_bytes = QUARTER


def service_account(token_uri: str) -> str:
    """The text of a service account's file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    content = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "key-id-0123456789",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "batches@my-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    return json.dumps(content)


def vertex(base: str | None, **changes: Any) -> SmallChunks:
    """An adapter that somebody else closes; without credentials among `changes` it has a token for good."""
    fields: dict[str, Any] = {
        "model_name": "virtual",
        "model": "vertex_ai/gemini-2.5-flash",
        "api_base": base,
        "vertex_project": "my-project",
        "vertex_location": "europe-west4",
        "gcs_bucket_name": "my-bucket",
        "id": "vertex-1",
    }
    if "vertex_credentials" not in changes:
        fields["extra_headers"] = {"Authorization": "Bearer given-token"}
    seconds = changes.pop("seconds", 30.0)
    return SmallChunks(Deployment(**{**fields, **changes}), Settings(provider_timeout_seconds=seconds))


@asynccontextmanager
async def vertex_for(base: str, **changes: Any) -> AsyncGenerator[SmallChunks]:
    """An adapter, closed in the end."""
    async with aclosing(vertex(base, **changes)) as adapter:
        yield adapter


def google_refusal(status: int, name: str, message: str = "no", *details: object) -> Answer:
    """An error of google.rpc's form."""
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    return answer({"error": {**error, "details": list(details)} if details else error}, status=status)


def goes_on(last: int | None) -> Answer:
    """What a part of an upload is answered with, which stands at byte `last` then."""
    return answer(raw=b"", status=308, headers={} if last is None else {"Range": f"bytes=0-{last}"})


def session(base: str, path: str = "/upload/storage/v1/b/my-bucket/o?upload_id=u1") -> Answer:
    """What begins an upload."""
    return answer(raw=b"", headers={"Location": f"{base}{path}"})


SUBMISSION = submission_of()
