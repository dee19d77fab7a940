"""Google's dialects: that of Vertex AI, that of Cloud Storage, and that of the token endpoint.

Shapes and words follow Google's error model, Cloud Storage's JSON API, and RFC 6749.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from .account import Account
from .json_values import JSON
from .openai_api import bearer
from .settings import SimulatorSettings
from .vertex_requests import GRPC_NAMES
from .wire import ApiError

REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    410: "gone",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}
"""what Cloud Storage calls errors by status"""


class GoogleKeys:
    """Access tokens that the account gave out, and `SimulatorSettings.api_keys`."""

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The bearer token."""
        return bearer(headers)

    def passes(self, account: Account, key: str | None) -> bool:
        """Whether it was given out and has not expired, or is listed."""
        listed = account.settings.api_keys or frozenset()
        return key is not None and (key in listed or account.tokens.is_good(key))

    def check_request(self, request: Request) -> None:
        """Nothing that every call must have."""

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """Headers of every answer."""
        return {"server": "ESF", "vary": "Origin", "server-timing": f"gfet4t7; dur={milliseconds}"}


class VertexDialect(GoogleKeys):
    """`Dialect` of the jobs."""

    def object_id(self, request: Request) -> str | None:
        """The resource name of a job."""
        params = request.path_params
        if "job" not in params:
            return None
        return (
            f"projects/{params['project']}/locations/{params['location']}/batchPredictionJobs/{params['job']}"
        )

    def wrong_key(self, key: str | None) -> ApiError:
        """401 UNAUTHENTICATED."""
        told = "Request had invalid authentication credentials."
        if key is None:
            told = "Request is missing required authentication credential."
        message = (
            f"{told} Expected OAuth 2 access token, login cookie or other valid authentication credential. "
            "See https://developers.google.com/identity/sign-in/web/devconsole-project."
        )
        return ApiError(401, message)

    def error(self, error: ApiError) -> JSON:
        """`code`, `message` and `status`."""
        name = error.code if error.code in GRPC_NAMES.values() else GRPC_NAMES.get(error.status, "UNKNOWN")
        return {"error": {"code": error.status, "message": error.message, "status": name}}


class StorageDialect(GoogleKeys):
    """`Dialect` of the objects."""

    def object_id(self, request: Request) -> str | None:
        """`gs://bucket/name`."""
        params = request.path_params
        name = params.get("name", request.query_params.get("name"))
        return f"gs://{params['bucket']}/{name}" if name else None

    def wrong_key(self, key: str | None) -> ApiError:
        """401."""
        message = "Invalid Credentials"
        if key is None:
            message = "Anonymous caller does not have the permission for this, or the resource may not exist."
        return ApiError(401, message)

    def error(self, error: ApiError) -> JSON:
        """`code`, `message` and `errors`."""
        reason = error.code or REASONS.get(error.status, "backendError")
        each: dict[str, Any] = {"message": error.message, "domain": "global", "reason": reason}
        return {"error": {"code": error.status, "message": error.message, "errors": [each]}}


class TokenDialect(GoogleKeys):
    """`Dialect` of the token endpoint, which needs no key."""

    def object_id(self, request: Request) -> str | None:
        """None: it names no object."""
        return None

    def passes(self, account: Account, key: str | None) -> bool:
        """Always."""
        return True

    def wrong_key(self, key: str | None) -> ApiError:
        """Never needed."""
        return ApiError(401, "Unauthorized", code="unauthorized_client")

    def error(self, error: ApiError) -> JSON:
        """`error` and `error_description`."""
        return {"error": error.code or "internal_failure", "error_description": error.message}
