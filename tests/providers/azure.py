"""What the tests of the adapter for Azure share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers.azure import AzureAdapter

from .wire import Answer, answer

KEY = "0123456789abcdef0123456789abcdef"


def azure(
    base: str | None, *, version: str | None = None, key: str | None = KEY, seconds: float = 5.0
) -> AzureAdapter:
    """An adapter that somebody else closes."""
    deployment = Deployment(
        model_name="virtual",
        model="azure/gpt-4o-batch",
        api_base=base,
        api_key=key,
        api_version=version,
        organization="org-1",
    )
    return AzureAdapter(deployment, Settings(provider_timeout_seconds=seconds))


@asynccontextmanager
async def azure_for(
    base: str, *, version: str | None = None, key: str = KEY, seconds: float = 5.0
) -> AsyncGenerator[AzureAdapter]:
    """An adapter, closed in the end."""
    async with aclosing(azure(base, version=version, key=key, seconds=seconds)) as adapter:
        yield adapter


def azure_refusal(status: int, code: str, message: str) -> Answer:
    """An error of Azure's form, which has neither `type` nor `param`."""
    return answer({"error": {"code": code, "message": message}}, status=status)


FILE: dict[str, Any] = {
    "status": "pending",
    "bytes": 140,
    "purpose": "batch",
    "filename": "a.jsonl",
    "id": "file-1",
    "created_at": 1_700_000_000,
    "object": "file",
}
BATCH: dict[str, Any] = {
    "object": "batch",
    "id": "batch_1",
    "endpoint": None,
    "errors": None,
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "Validating",
    "output_file_id": "",
    "error_file_id": "",
    "created_at": "2023-11-14T22:13:20Z",
    "in_progress_at": None,
    "expires_at": None,
    "request_counts": {"total": None, "completed": None, "failed": None},
    "metadata": {"litebatch_job": "job-1"},
}
PENDING = (
    "The input file 'file-1' is in 'pending' state. Only files with status 'Processed' are accepted for "
    "batch inferencing. Please check the file status and try again"
)
NO_ROOM = (
    "The number of enqueued tokens has surpassed the configured limit of 30K for the deployment 'D'. Please "
    "either increase the limit or try again once the current jobs have finished."
)
