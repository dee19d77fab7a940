"""Anthropic's errors. Source: Anthropic's page on errors."""

from __future__ import annotations

from .json_values import JSON

_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_type(status: int, code: str | None = None) -> str:
    """The `type` of an error that a call or a request is answered with: `code` if that is one."""
    if code is not None and code in _TYPES.values():
        return code
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_body(kind: str, message: str, key: str) -> JSON:
    """An error as calls and rows have it; `key` makes the id of the request."""
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": f"req_{key[:24]}"}
