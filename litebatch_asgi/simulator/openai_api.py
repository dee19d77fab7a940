"""OpenAI's dialect."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request

from .account import Account, NewBatch
from .dialects import Admission, OpenAIWays, SettingsKeys, examined_in_haste
from .json_values import JSON
from .objects import BatchObject, FileObject
from .settings import SimulatorSettings
from .uploads import check_first_line
from .wire import ENDPOINTS, ApiError


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a request."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class OpenAIDialect(OpenAIWays, SettingsKeys):
    """`OpenAILikeDialect` of `/v1`. Source: OpenAI's OpenAPI document, and recordings of the live service."""

    endpoints: tuple[str, ...] = ENDPOINTS
    least_expiry = 3600
    created = 200

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The bearer token."""
        return bearer(headers)

    def wrong_key(self, key: str | None) -> ApiError:
        """401 `invalid_api_key`."""
        message = "Incorrect API key provided."
        if key is None:
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header "
                "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
        return ApiError(401, message, code="invalid_api_key")

    def check_request(self, request: Request) -> None:
        """Nothing that every call must have."""

    async def check_input(self, account: Account, path: Path) -> None:
        """The first line alone."""
        await account.disk.run(check_first_line, path)

    def check_upload(self, account: Account, seconds: int | None) -> None:
        """No limit of files."""

    async def admit(self, account: Account, asked: NewBatch) -> Admission:
        """Any batch that `fail_fast` lets through: whether its input file is there shows later."""
        return Admission(examined=await examined_in_haste(account, asked))

    def error(self, error: ApiError) -> JSON:
        """`message`, `type`, `param` and `code`."""
        return error.body

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """The headers that OpenAI sends, with limits that are made up."""
        return {
            "x-request-id": f"req_{uuid.uuid4().hex}",
            "openai-organization": settings.organization,
            "openai-processing-ms": str(milliseconds),
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-limit-tokens": "30000000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-remaining-tokens": "29999999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-reset-tokens": "0s",
        }

    def location(self, request: Request, object_id: str) -> dict[str, str]:
        """No headers."""
        return {}

    def file(self, shown: FileObject) -> Any:
        """As it is."""
        return shown

    def batch(self, shown: BatchObject, settings: SimulatorSettings) -> Any:
        """As it is."""
        return shown
