"""Azure's two dialects: the classic one with an `api-version`, and v1.

Source: Azure's documentation of batch and its reference of the authoring API. Which status and code a full
store of files answers with is not recorded, nor is what a create says of a file that is not there.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request

from .account import Account, NewBatch
from .dialects import Admission, OpenAIWays, SettingsKeys, examined_in_haste
from .json_values import JSON, is_object
from .objects import BatchObject, FileObject
from .openai_api import bearer
from .settings import SimulatorSettings
from .wire import ENDPOINTS, ApiError

DATED = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
SPELLED_CODES = frozenset({"BadRequest", "quotaExceeded", "token_limit_exceeded"})
"""codes that are told as they are; all others are the status"""
DEFAULT_MAXIMUM_TOKENS = 200_000_000
"""a queue's room where no limit is set. Source: Azure's default for gpt-4.1"""
NOT_FOUND = "Resource not found"
WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)


class AzureDialect(OpenAIWays, SettingsKeys):
    """`OpenAILikeDialect` of `/openai`, or with `v1` of `/openai/v1`."""

    endpoints: tuple[str, ...] = ENDPOINTS + tuple(endpoint.removeprefix("/v1") for endpoint in ENDPOINTS)
    least_expiry = 1_209_600

    def __init__(self, *, v1: bool) -> None:
        self._v1 = v1
        self.created = 200 if v1 else 201

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The `api-key`, or a bearer token."""
        return headers.get("api-key") or bearer(headers)

    def wrong_key(self, key: str | None) -> ApiError:
        """401."""
        return ApiError(401, WRONG_KEY)

    def check_request(self, request: Request) -> None:
        """The classic paths need a dated `api-version`, which those of v1 refuse."""
        version = request.query_params.get("api-version", "")
        dated = DATED.fullmatch(version) is not None
        if self._v1 and dated:
            message = "api-version query parameter is not allowed when using /v1 path"
            raise ApiError(400, message, code="BadRequest")
        if not self._v1 and not dated:
            raise ApiError(404, NOT_FOUND)

    def check_upload(self, account: Account, seconds: int | None) -> None:
        """Files that expire and files that do not are counted apart; results are not counted."""
        settings, expires = account.settings, seconds is not None
        most = settings.max_expiring_files if expires else settings.max_unexpiring_files
        inputs = [each.shown for each in account.file_store.all() if each.shown.purpose == "batch"]
        if sum((each.expires_at is not None) == expires for each in inputs) >= most:
            message = f"The resource has reached its limit of {most} files."
            raise ApiError(400, message, code="quotaExceeded")

    async def admit(self, account: Account, asked: NewBatch) -> Admission:
        """Only batches of `processed` files, and with `fail_fast` only those that there is room for."""
        stored = account.file_store.find(asked.input_file_id, account.settings.project)
        if stored is None:
            raise ApiError(404, NOT_FOUND)
        if stored.shown.status != "processed":
            message = (
                f"The input file '{asked.input_file_id}' is in '{stored.shown.status}' state. "
                "Only files with status 'Processed' are accepted for batch inferencing. "
                "Please check the file status and try again"
            )
            raise ApiError(400, message)
        examined = await examined_in_haste(account, asked)
        if examined is not None:
            headers = _queue_headers(account, examined.model or "")
            return Admission(headers=headers, examined=examined)
        try:
            model = await account.disk.run(_first_model, stored.path)
        except FileNotFoundError:
            raise ApiError(404, NOT_FOUND) from None
        return Admission(headers=_queue_headers(account, model))

    def error(self, error: ApiError) -> JSON:
        """`code` and `message` alone; of what is not found not even which."""
        code = error.code if error.code in SPELLED_CODES else str(error.status)
        message = NOT_FOUND if error.status == 404 else error.message
        return {"error": {"code": code, "message": message}}

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """The headers that Azure sends."""
        return {
            "apim-request-id": str(uuid.uuid4()),
            "x-request-id": str(uuid.uuid4()),
            "x-ms-region": "Simulated Region",
            "x-envoy-upstream-service-time": str(milliseconds),
        }

    def location(self, request: Request, object_id: str) -> dict[str, str]:
        """`Location`, of the classic paths."""
        if self._v1:
            return {}
        url = request.url
        return {"location": str(url.replace(path=f"{url.path}/{object_id}"))}

    def file(self, shown: FileObject) -> Any:
        """As it is."""
        return shown

    def batch(self, shown: BatchObject, settings: SimulatorSettings) -> Any:
        """With empty ids in place of null, and nothing of what only validation finds out."""
        fields: JSON = msgspec.to_builtins(shown)
        for key in ("output_file_id", "error_file_id"):
            fields[key] = fields[key] or ""
        if shown.status == "validating":
            fields["endpoint"] = None
            fields["request_counts"] = dict.fromkeys(fields["request_counts"])
        if not self._v1:
            del fields["model"], fields["usage"]
        return _oddly_cased(fields) if _is_odd(shown.id, settings) else fields


def _is_odd(batch_id: str, settings: SimulatorSettings) -> bool:
    drawn = random.Random(f"{settings.seed}/{batch_id}").random() < 0.5  # noqa: S311 repeatable on purpose
    return drawn if settings.odd_casing is None else settings.odd_casing


def _oddly_cased(fields: JSON) -> JSON:
    """As some samples of Azure's REST reference show batches."""
    times = {key: value for key, value in fields.items() if key.endswith("_at") and value is not None}
    written = {key: datetime.fromtimestamp(value, UTC).isoformat() for key, value in times.items()}
    return fields | written | {"status": str(fields["status"]).capitalize()}


def _queue_headers(account: Account, model: str) -> dict[str, str]:
    most = account.settings.most_enqueued_tokens(model)
    return {
        "deployment-enqueued-tokens": str(account.queues.tokens(model)),
        "deployment-maximum-enqueued-tokens": str(DEFAULT_MAXIMUM_TOKENS if most is None else most),
    }


def _first_model(path: Path) -> str:
    """The model of the first line, as far as it can be read."""
    with path.open("rb") as lines:
        line = lines.readline()
    try:
        body = msgspec.json.decode(line, type=JSON).get("body")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return str(body.get("model", "")) if is_object(body) else ""
