"""The words of the HTTP API: error bodies and parameters.

Messages follow OpenAI's; where no recording of the live service is known they follow its style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .json_values import JSON, is_object

ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
HOUR = 3_600
DAY = 24 * HOUR
PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


def versioned(endpoint: str) -> str:
    """`endpoint` with the `/v1` that Azure allows to leave out."""
    return endpoint if endpoint.startswith("/v1/") else f"/v1{endpoint}"


class ApiError(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
        extra: JSON | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.body: JSON = {
            "error": {"message": message, "type": kind, "param": param, "code": code},
            **(extra or {}),
        }


def missing(param: str) -> ApiError:
    """400: a parameter that must be there is not."""
    message = f"Missing required parameter: '{param}'."
    return ApiError(400, message, param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str) -> ApiError:
    """400: a parameter of another type than `expected`, which comes with its article."""
    message = f"Invalid type for '{param}': expected {expected}."
    return ApiError(400, message, param=param, code="invalid_type")


def wrong_value(param: str, value: object, supported: Sequence[str]) -> ApiError:
    """400: a parameter whose value is none of `supported`."""
    listed = ", ".join(f"'{each}'" for each in supported)
    message = f"Invalid value: '{value}'. Supported values are: {listed}."
    return ApiError(400, message, param=param, code="invalid_value")


def integer(param: str, value: object, least: int, most: int) -> int:
    """`value`, a number or the text of one. Raises ApiError unless it is an integer in `least`..`most`."""
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool):
        raise wrong_type(param, "an integer")
    if number < least:
        rule = f"integer below minimum value. Expected a value >= {least}, but got {number} instead."
        raise ApiError(400, f"Invalid '{param}': {rule}", param=param, code="integer_below_min_value")
    if number > most:
        rule = f"integer above maximum value. Expected a value <= {most}, but got {number} instead."
        raise ApiError(400, f"Invalid '{param}': {rule}", param=param, code="integer_above_max_value")
    return number


def expires_after(fields: Mapping[str, object], param: str, least: int) -> int:
    """Seconds of an `expires_after` object, `least`..2592000. Source: OpenAI's OpenAPI document."""
    for key in ("anchor", "seconds"):
        if fields.get(key) is None:
            raise missing(f"{param}.{key}")
    if fields["anchor"] != "created_at":
        raise wrong_value(f"{param}.anchor", fields["anchor"], ["created_at"])
    return integer(f"{param}.seconds", fields["seconds"], least, 2_592_000)


def metadata_of(value: object) -> dict[str, str] | None:
    """Checked metadata. Source: at most 16 pairs, keys of 64 and values of 512 characters."""
    if value is None:
        return None
    if not is_object(value):
        raise wrong_type("metadata", "an object")
    if len(value) > 16:
        message = "Invalid 'metadata': too many properties. Expected an object with at most 16 properties."
        raise ApiError(400, message, param="metadata", code="object_above_max_properties")
    for key, each in value.items():
        if not isinstance(each, str):
            raise wrong_type(f"metadata.{key}", "a string")
        if len(key) > 64 or len(each) > 512:
            message = f"Invalid 'metadata.{key}': string too long."
            raise ApiError(400, message, param=f"metadata.{key}", code="string_above_max_length")
    return value
