"""What an inference server takes at which path, and how it refuses the rest: as vLLM does.

Sources: vLLM's server, for paths, keys and errors; OpenAI's OpenAPI document, for what a request must have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec

from .json_values import JSON, is_array, is_object
from .wire import ApiError

DEFAULT_MODEL = "simulated"
"""of requests that name none, where the settings name none"""
PATHS: Mapping[str, str] = {
    "/v1/chat/completions": "/v1/chat/completions",
    "/v1/completions": "/v1/completions",
    "/v1/responses": "/v1/responses",
    "/v1/embeddings": "/v1/embeddings",
    "/v1/moderations": "/v1/moderations",
    "/v1/rerank": "/v1/rerank",
    "/v2/rerank": "/v1/rerank",
    "/rerank": "/v1/rerank",
    "/v1/score": "/v1/score",
    "/score": "/v1/score",
}
"""paths that run a request, and as which"""
_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    500: "InternalServerError",
    501: "NotImplementedError",
}


def error_body(error: ApiError) -> JSON:
    """As vLLM has it: `message`, `type`, `param`, and the status as `code` where there is no other."""
    told: JSON = error.body["error"]
    kind = _TYPES.get(error.status) or _phrase(error.status)
    code = error.code if error.code is not None else error.status
    return {"error": {"message": told["message"], "type": kind, "param": told["param"], "code": code}}


def decoded(content: bytes) -> object:
    """The value that the JSON of a body has; bytes as they are where it is none."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content


def checked(path: str, body: object, models: frozenset[str] | None) -> JSON:
    """The decoded body of a request that is run as `path`, with its model. Raises ApiError.

    Without `models` any model is served.
    """
    if not is_object(body):
        kind = "JSON" if isinstance(body, bytes) else "a JSON object"
        raise ApiError(400, f"The body is not {kind}.")
    model = body.setdefault("model", min(models, default=DEFAULT_MODEL) if models else DEFAULT_MODEL)
    if not isinstance(model, str):
        raise _wrong("model", "a string")
    if models is not None and model not in models:
        raise ApiError(404, f"The model `{model}` does not exist.", param="model")
    if body.get("stream"):
        raise ApiError(400, "The simulator does not stream: leave `stream` out.", param="stream")
    _REQUIRED[path](body)
    return body


def _messages(body: JSON) -> None:
    messages = body.get("messages")
    if not is_array(messages) or not messages:
        raise _wrong("messages", "an array with a message")
    for index, message in enumerate(messages):
        if not is_object(message) or not isinstance(message.get("role"), str):
            raise _wrong(f"messages[{index}]", "an object with a role")


def _texts(param: str) -> Callable[[JSON], None]:
    def check(body: JSON) -> None:
        if not isinstance(body.get(param), str) and not is_array(body.get(param)):
            raise _wrong(param, "a string or an array")

    return check


def _rerank(body: JSON) -> None:
    if not isinstance(body.get("query"), str):
        raise _wrong("query", "a string")
    if not is_array(body.get("documents")):
        raise _wrong("documents", "an array")
    if not isinstance(body.get("top_n", 0), int):
        raise _wrong("top_n", "an integer")


def _score(body: JSON) -> None:
    first, second = ("queries", "documents") if "queries" in body else ("text_1", "text_2")
    for param in (first, second):
        _texts(param)(body)
    lefts, rights = body[first], body[second]
    if is_array(lefts) and len(lefts) != 1 and len(lefts) != (len(rights) if is_array(rights) else 1):
        raise ApiError(400, f"`{first}` must be one text, or as many as `{second}`.", param=first)


def _wrong(param: str, expected: str) -> ApiError:
    return ApiError(400, f"`{param}` must be {expected}.", param=param)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_REQUIRED: Mapping[str, Callable[[JSON], None]] = {
    "/v1/chat/completions": _messages,
    "/v1/completions": _texts("prompt"),
    "/v1/responses": _texts("input"),
    "/v1/embeddings": _texts("input"),
    "/v1/moderations": _texts("input"),
    "/v1/rerank": _rerank,
    "/v1/score": _score,
}
