"""Functions that speak to one provider: no server, no database, and nothing kept.

They take what LiteLLM's functions of the same names take, and give the provider's own ids::

    from litebatch_asgi.sdk import acreate_batch, acreate_file, afile_content, aretrieve_batch

    file = await acreate_file(file=open("in.jsonl", "rb"), purpose="batch", custom_llm_provider="openai")
    batch = await acreate_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        custom_llm_provider="openai",
    )
    batch = await aretrieve_batch(batch_id=batch.id, custom_llm_provider="openai")
    if batch.output_file_id:
        print((await afile_content(file_id=batch.output_file_id, custom_llm_provider="openai")).text)

Each has a synchronous twin without the `a`, which can be called anywhere, also where an event loop runs.
`README.md` beside this module tells what differs from one provider to another.

Errors are `RequestError`s, which have a `status_code`, a `message` that says what to do, and where known
`code`, `param` and `retry_after`. The provider's own answer is their `__cause__`.
"""

from litebatch_asgi.errors import Conflict as Conflict
from litebatch_asgi.errors import InvalidFile as InvalidFile
from litebatch_asgi.errors import InvalidRequest as InvalidRequest
from litebatch_asgi.errors import NotFound as NotFound
from litebatch_asgi.errors import PermissionDenied as PermissionDenied
from litebatch_asgi.errors import RateLimited as RateLimited
from litebatch_asgi.errors import RequestError as RequestError
from litebatch_asgi.errors import Unauthenticated as Unauthenticated
from litebatch_asgi.errors import Unavailable as Unavailable
from litebatch_asgi.sdk.access import Access as Access
from litebatch_asgi.sdk.batches import acancel_batch as acancel_batch
from litebatch_asgi.sdk.batches import acreate_batch as acreate_batch
from litebatch_asgi.sdk.batches import alist_batches as alist_batches
from litebatch_asgi.sdk.batches import aretrieve_batch as aretrieve_batch
from litebatch_asgi.sdk.content import FileContent as FileContent
from litebatch_asgi.sdk.errors import NoAnswer as NoAnswer
from litebatch_asgi.sdk.files import acreate_file as acreate_file
from litebatch_asgi.sdk.files import adelete_file as adelete_file
from litebatch_asgi.sdk.files import afile_content as afile_content
from litebatch_asgi.sdk.files import alist_files as alist_files
from litebatch_asgi.sdk.files import aretrieve_file as aretrieve_file
from litebatch_asgi.sdk.inputs import FileInput as FileInput
from litebatch_asgi.sdk.objects import Batch as Batch
from litebatch_asgi.sdk.objects import BatchPage as BatchPage
from litebatch_asgi.sdk.objects import FileDeleted as FileDeleted
from litebatch_asgi.sdk.objects import FileObject as FileObject
from litebatch_asgi.sdk.objects import FilePage as FilePage
from litebatch_asgi.sdk.synchronous import twin_of as _twin_of


@_twin_of(acancel_batch)
def cancel_batch() -> None:
    """See `acancel_batch`."""


@_twin_of(acreate_batch)
def create_batch() -> None:
    """See `acreate_batch`."""


@_twin_of(acreate_file)
def create_file() -> None:
    """See `acreate_file`."""


@_twin_of(adelete_file)
def delete_file() -> None:
    """See `adelete_file`."""


@_twin_of(afile_content)
def file_content() -> None:
    """See `afile_content`."""


@_twin_of(alist_batches)
def list_batches() -> None:
    """See `alist_batches`."""


@_twin_of(alist_files)
def list_files() -> None:
    """See `alist_files`."""


@_twin_of(aretrieve_batch)
def retrieve_batch() -> None:
    """See `aretrieve_batch`."""


@_twin_of(aretrieve_file)
def retrieve_file() -> None:
    """See `aretrieve_file`."""


__all__ = [
    "Access",
    "Batch",
    "BatchPage",
    "Conflict",
    "FileContent",
    "FileDeleted",
    "FileInput",
    "FileObject",
    "FilePage",
    "InvalidFile",
    "InvalidRequest",
    "NoAnswer",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "RequestError",
    "Unauthenticated",
    "Unavailable",
    "acancel_batch",
    "acreate_batch",
    "acreate_file",
    "adelete_file",
    "afile_content",
    "alist_batches",
    "alist_files",
    "aretrieve_batch",
    "aretrieve_file",
    "cancel_batch",
    "create_batch",
    "create_file",
    "delete_file",
    "file_content",
    "list_batches",
    "list_files",
    "retrieve_batch",
    "retrieve_file",
]
