"""The objects of Cloud Storage: how they are shown, found and made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from .account import Account
from .calls import Call
from .execution import Written
from .google_dialects import StorageDialect
from .json_values import JSON
from .objects import StoredFile
from .vertex_flavour import bucket_and_name
from .wire import ApiError


def resource(stored: StoredFile, base: str) -> JSON:
    """An object as clients see it; `base` is the address of the account."""
    bucket, name = bucket_and_name(stored.shown.id) or ("", "")
    at = datetime.fromtimestamp(stored.made_at, UTC).isoformat(timespec="milliseconds")
    created, details = at.replace("+00:00", "Z"), stored.details
    path = f"storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    generation = generation_of(stored)
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"{base}/{path}",
        "mediaLink": f"{base}/download/{path}?generation={generation}&alt=media",
        "name": name,
        "bucket": bucket,
        "generation": str(generation),
        "metageneration": "1",
        "contentType": details.get("contentType", "application/octet-stream"),
        "storageClass": "STANDARD",
        "size": str(stored.bytes),
        "md5Hash": details["md5Hash"],
        "crc32c": details["crc32c"],
        "etag": f"{generation}/1",
        "timeCreated": created,
        "updated": created,
        **({"metadata": details["metadata"]} if details.get("metadata") else {}),
    }


def generation_of(stored: StoredFile) -> int:
    """The generation of an object: higher than that of the one that it has replaced."""
    return stored.shown.created_at * 1_000_000 + stored.number


def object_of(call: Call[StorageDialect]) -> StoredFile | None:
    """The object that a request names, if there is one. Raises ApiError for a bucket that is not there."""
    check_bucket(call.account, call.request.path_params["bucket"])
    return call.account.file_store.find(call.object_id or "", call.account.settings.project)


def check_bucket(account: Account, bucket: str) -> None:
    """Raises ApiError for a bucket that is not there."""
    buckets = account.settings.buckets
    if (buckets is not None and bucket not in buckets) or bucket_and_name(f"gs://{bucket}") is None:
        raise ApiError(404, "The specified bucket does not exist.")


def generation_match(params: Mapping[str, str]) -> int | None:
    """`ifGenerationMatch` of a request. Raises ApiError for one that is no number."""
    told = params.get("ifGenerationMatch")
    if told is None:
        return None
    if not told.isdecimal():
        raise ApiError(400, f"Invalid value for ifGenerationMatch: {told}")
    return int(told)


def check_generation(asked: int | None, stored: StoredFile | None) -> None:
    """Raises ApiError unless the object has the generation that is asked for, 0 being that of none."""
    if asked is not None and asked != (0 if stored is None else generation_of(stored)):
        raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")


async def put_object(account: Account, uri: str, written: Written, details: JSON) -> StoredFile:
    """Make an object of bytes that lie on the disk, in place of the one that has its name."""
    before = account.file_store.remove(uri)
    stored = account.file_store.add(
        written,
        filename_of(uri),
        "batch",
        None,
        project=account.settings.project,
        file_id=uri,
        details=details,
    )
    if before is not None:
        await account.disk.run(before.path.unlink, missing_ok=True)
    return stored


def filename_of(uri: str) -> str:
    """The last part of an object's name, as it would be without the encoding that names of files may need."""
    return unquote(uri.rpartition("/")[2])


def base_of(call: Call[StorageDialect]) -> str:
    """The address of the account that a request is for."""
    account = call.request.path_params.get("account")
    url = f"{call.request.url.scheme}://{call.request.url.netloc}"
    return url if account is None else f"{url}/{account}"
