"""Values to test with: complete ones, of which a test names what matters to it.

Each call makes another id, unless one is given.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models import (
    DATABASE_STORE,
    Batch,
    Charge,
    ChargedUsage,
    Content,
    CreateRequest,
    Event,
    File,
    FileCopy,
    FileKind,
    FilePart,
    Job,
    LineRange,
    PartKind,
    Shard,
    Upload,
    UploadPart,
    WebhookEndpoint,
    WebhookEventType,
)
from litebatch_asgi.models.ids import (
    BATCH_PREFIX,
    CHARGE_PREFIX,
    CONTENT_PREFIX,
    EVENT_PREFIX,
    FILE_PREFIX,
    JOB_PREFIX,
    PART_PREFIX,
    UPLOAD_PREFIX,
    WEBHOOK_PREFIX,
    new_id,
)


def a_file(**fields: Any) -> File:
    """An accepted input file of two requests."""
    now = datetime.now(UTC)
    sample = File(
        id=new_id(FILE_PREFIX),
        owner="team:search",
        created_by="key-1",
        kind=FileKind.INPUT,
        purpose="batch",
        filename="in.jsonl",
        bytes=400,
        sha256="00" * 32,
        models=("gpt-4o-batch",),
        endpoint="/v1/chat/completions",
        lines=2,
        id_count=2,
        id_sum=2**127 + 1,
        created_at=now,
        accepted_at=now,
    )
    return replace(sample, **fields)


def a_shard(file: File, **fields: Any) -> Shard:
    """The tile that is the whole of `file`; a derived shard has the `batch_id` of its batch."""
    sample = Shard(
        file_id=file.id,
        shard=0,
        root=0,
        start=0,
        bytes=file.bytes,
        first_line=0,
        lines=file.lines,
        id_count=file.id_count,
        id_sum=file.id_sum,
        tokens=file.tokens,
    )
    return replace(sample, **fields)


def a_copy(file: File, **fields: Any) -> FileCopy:
    """A copy of `file`, still to be uploaded and due now, at the deployment `east`."""
    sample = FileCopy(
        file_id=file.id, deployment_id="east", owner=file.owner, next_check_at=datetime.now(UTC)
    )
    return replace(sample, **fields)


def a_part(file: File, **fields: Any) -> FilePart:
    """The first part of `file`: one row that we wrote ourselves."""
    rows: bytes | None = fields.get("rows", b'{"custom_id": "a"}\n')
    sample = FilePart(file_id=file.id, seq=0, kind=PartKind.INLINE, bytes=len(rows or b""), rows=rows)
    return replace(sample, **fields)


def an_upload(**fields: Any) -> Upload:
    """A pending upload of 400 bytes, without parts, for an hour from now."""
    now = datetime.now(UTC)
    sample = Upload(
        id=new_id(UPLOAD_PREFIX),
        owner="team:search",
        created_by="key-1",
        filename="in.jsonl",
        purpose="batch",
        bytes=400,
        mime_type="application/jsonl",
        models=("gpt-4o-batch",),
        expires_after_seconds=7200,
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return replace(sample, **fields)


def an_upload_part(upload: Upload, content: Content, **fields: Any) -> UploadPart:
    """A part of an upload, of 100 bytes, that a content is."""
    sample = UploadPart(
        id=new_id(PART_PREFIX),
        upload_id=upload.id,
        bytes=100,
        content_key=content.key,
        store=content.store,
        created_at=datetime.now(UTC),
    )
    return replace(sample, **fields)


def a_content(**fields: Any) -> Content:
    """A content that `worker` is about to write into the database, due once its claim has lapsed."""
    now = datetime.now(UTC)
    sample = Content(
        key=new_id(CONTENT_PREFIX),
        store=DATABASE_STORE,
        created_at=now,
        next_check_at=now,
        claimed_by="worker",
    )
    return replace(sample, **fields)


def a_stored_part(file: File, content: Content, **fields: Any) -> FilePart:
    """The first part of `file`: a content of 5 bytes."""
    sample = FilePart(
        file_id=file.id,
        seq=0,
        kind=PartKind.STORED,
        bytes=5,
        content_key=content.key,
        store=content.store,
    )
    return replace(sample, **fields)


def a_batch(file: File, **fields: Any) -> Batch:
    """A batch on `file`, of its owner and first model, that was just created."""
    now = datetime.now(UTC)
    sample = Batch(
        id=new_id(BATCH_PREFIX),
        owner=file.owner,
        created_by=file.created_by,
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        model=file.models[0],
        created_at=now,
        expires_at=now + timedelta(hours=24),
    )
    return replace(sample, **fields)


def a_job(batch: Batch, **fields: Any) -> Job:
    """The first attempt for `batch`, waiting for the deployment `east` and due now."""
    now = datetime.now(UTC)
    sample = Job(
        id=new_id(JOB_PREFIX),
        batch_id=batch.id,
        owner=batch.owner,
        requests=2,
        deployment_id="east",
        created_at=now,
        next_check_at=now,
    )
    return replace(sample, **fields)


def a_line_range(job: Job, **fields: Any) -> LineRange:
    """A range of ten requests of a live job, due now; those of a job follow each other by their `seq`."""
    seq = fields.get("seq", 0)
    sample = LineRange(
        job_id=job.id,
        seq=seq,
        batch_id=job.batch_id,
        owner=job.owner,
        deployment_id=job.deployment_id or "east",
        first_line=10 * seq,
        end_line=10 * seq + 10,
        lines=10,
        start=1000 * seq,
        bytes=1000,
        expires_at=job.created_at + timedelta(hours=24),
        next_check_at=job.created_at,
    )
    return replace(sample, **fields)


def a_charge(job: Job, batch: Batch, **fields: Any) -> Charge:
    """What `job` of `batch` consumed."""
    sample = Charge(
        id=new_id(CHARGE_PREFIX),
        job_id=job.id,
        batch_id=batch.id,
        deployment_id=job.deployment_id or "east",
        owner=batch.owner,
        created_by=batch.created_by,
        model=batch.model,
        usage=ChargedUsage(input_tokens=20, output_tokens=10, total_tokens=30),
        cost=None,
        price_source=None,
        created_at=datetime.now(UTC),
    )
    return replace(sample, **fields)


def an_event(batch: Batch, **fields: Any) -> Event:
    """That `batch` was created: its first event."""
    sample = Event(
        id=new_id(EVENT_PREFIX),
        subject=batch.id,
        seq=1,
        type="batch.created",
        batch_id=batch.id,
        owner=batch.owner,
        payload={"status": batch.status.value},
        created_at=datetime.now(UTC),
    )
    return replace(sample, **fields)


def a_request(made: File | Batch, **fields: Any) -> CreateRequest:
    """What asked for `made` to be created, just now, and without a key."""
    sample = CreateRequest(
        owner=made.owner, fingerprint=f"for {made.id}", object_id=made.id, at=datetime.now(UTC)
    )
    return replace(sample, **fields)


def an_endpoint(**fields: Any) -> WebhookEndpoint:
    """The endpoint of a webhook, for the end of batches that have completed."""
    now = datetime.now(UTC)
    sample = WebhookEndpoint(
        id=new_id(WEBHOOK_PREFIX),
        owner="team:search",
        created_by="key-1",
        name="hooks",
        url="https://hooks.example.com/",
        event_types=(WebhookEventType.COMPLETED,),
        key_fingerprint="00" * 8,
        secret_hint="whsec_...abcd",  # noqa: S106
        created_at=now,
        updated_at=now,
    )
    return replace(sample, **fields)
