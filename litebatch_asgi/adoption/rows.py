"""The rows that a provider's batches and files become. Pure: `now` is passed."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import due_when_ready, fold_file
from litebatch_asgi.fold import fold
from litebatch_asgi.jsonl import CheckedFile, spliced_size
from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchStatus,
    CopyState,
    Counts,
    Deployment,
    File,
    FileCopy,
    FileKind,
    FileState,
    Job,
    JobState,
    ProviderBatch,
    ProviderFile,
    ProviderFileStatus,
)
from litebatch_asgi.models.files import whole_of
from litebatch_asgi.models.ids import BATCH_PREFIX, FILE_PREFIX, derived_id, job_id
from litebatch_asgi.scrub import scrub
from litebatch_asgi.wire.filenames import clean_filename
from litebatch_asgi.wire.requests import USUAL_WINDOW, window_of

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whose batches and files they are at the provider, and whose they become."""

    installation_id: str
    deployment_id: str
    deployment: Deployment
    owner: str

    def file_id(self, file: ProviderFile) -> str:
        """The unified id of a provider's file."""
        return self._id(FILE_PREFIX, file)

    def batch_id(self, batch: ProviderBatch) -> str:
        """The unified id of a provider's batch."""
        return self._id(BATCH_PREFIX, batch)

    def _id(self, prefix: str, made: ProviderFile | ProviderBatch) -> str:
        # Not of the deployment: two of them at one account show the same batches.
        of = self.deployment
        parts = (self.installation_id, of.provider, of.api_base or "", of.organization or "", made.id)
        return derived_id(prefix, made.created_at or _EPOCH, *parts)


def virtual_model(deployment: Deployment, model: str) -> str | None:
    """The virtual model under which a deployment is given lines that name `model`; None: under none."""
    if not deployment.is_wildcard:
        return deployment.model_name if deployment.upstream_model == model else None
    candidates = (model, f"{deployment.provider}/{model}", deployment.model_name[:-1] + model)
    return next(
        (
            name
            for name in candidates
            if name.startswith(deployment.model_name[:-1]) and deployment.upstream_model_for(name) == model
        ),
        None,
    )


def file_state(
    account: Account, made: ProviderFile, lines: CheckedFile, model: str, now: datetime
) -> FileState:
    """An input and its one copy; `model` is the virtual one. It lasts as long as the provider keeps it."""
    is_ready = made.status is ProviderFileStatus.READY
    file = File(
        id=account.file_id(made),
        owner=account.owner,
        created_by=None,
        kind=FileKind.INPUT,
        purpose="batch",
        filename=clean_filename(made.filename),
        bytes=spliced_size(lines.bytes, lines.lines, lines.model, model),
        models=(model,),
        endpoint=lines.url,
        lines=lines.lines,
        id_count=lines.id_count,
        id_sum=lines.id_sum,
        created_at=made.created_at or now,
        expires_at=made.expires_at,
        tokens=lines.tokens,
        output_tokens=lines.output_tokens,
        unlimited_answers=lines.unlimited_answers,
        guessed_tokens=lines.guessed_tokens,
        long_requests=lines.long_requests,
    )
    copy = FileCopy(
        file_id=file.id,
        deployment_id=account.deployment_id,
        owner=account.owner,
        provider_file_id=made.id,
        model=lines.model,
        bytes=lines.bytes,
        expires_at=made.expires_at,
        state=CopyState.READY if is_ready else CopyState.PENDING,
        ready_at=now if is_ready else None,
        next_check_at=None if is_ready else now,
    )
    if is_ready:
        copy = replace(copy, next_check_at=due_when_ready(copy, file, look=now))
    state = FileState(file=file, copies=(copy,), open_batches=0, shards=(whole_of(file),))
    return replace(state, file=fold_file(state, now))


def batch_and_job(account: Account, made: ProviderBatch, file: FileState, now: datetime) -> tuple[Batch, Job]:
    """A batch whose one job runs, or has ended, at its provider; it is looked at at once.

    One that has failed there ran nothing, and ends here with the same errors. What it can still be waiting
    for is waited for from now on: its deadline does not lie in the past.
    """
    window = USUAL_WINDOW
    created_at = min(made.created_at or now, now)
    batch_id = account.batch_id(made)
    [copy] = [each for each in file.copies if each.deployment_id == account.deployment_id]
    assert file.file.endpoint is not None
    batch = Batch(
        id=batch_id,
        owner=account.owner,
        created_by=None,
        input_file_id=file.file.id,
        endpoint=file.file.endpoint,
        completion_window=window,
        model=file.file.models[0],
        metadata=made.metadata or None,
        created_at=created_at,
        expires_at=max(made.expires_at or created_at + window_of(window), now),
        counts=Counts(total=file.file.lines),
    )
    has_failed = made.status is BatchStatus.FAILED
    job = Job(
        id=job_id(batch_id, 0, 1),
        batch_id=batch_id,
        owner=account.owner,
        requests=file.file.lines,
        deployment_id=account.deployment_id,
        provider_file_id=copy.provider_file_id,
        submit_started_at=created_at,
        state=JobState.FAILED if has_failed else JobState.SUBMITTED,
        provider_batch_id=made.id,
        snapshot=made,
        reason="adopted",
        created_at=now,
        next_check_at=None if has_failed else now,
        refresh_from=None if has_failed else now,
    )
    if has_failed:
        names = _private_names(account, copy, batch, made)
        job = replace(job, errors=tuple(_shown(error, names) for error in made.errors))
    return fold(batch, (job,), now), job


def _private_names(account: Account, copy: FileCopy, batch: Batch, made: ProviderBatch) -> dict[str, str]:
    names = {
        copy.provider_file_id: batch.input_file_id,
        made.id: batch.id,
        account.deployment_id: "the deployment",
        copy.model: batch.model,
    }
    return {private: public for private, public in names.items() if private}


def _shown(error: BatchError, names: dict[str, str]) -> BatchError:
    texts = {name: getattr(error, name) for name in ("code", "message", "param")}
    return replace(error, **{name: scrub(text, names=names) for name, text in texts.items() if text})
