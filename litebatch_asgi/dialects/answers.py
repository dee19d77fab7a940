"""What was read of a provider's row, and OpenAI's row made of it.

Sources: the output and error files of OpenAI's Batch API, and the `openai` package's ChatCompletion and
CreateEmbeddingResponse.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from litebatch_asgi.dialects.values import Object


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model made. Its id is ours: see `Answer.row`."""

    name: str
    arguments: str
    """JSON"""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers to one request."""

    finish_reason: str
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    """what the model thought, where the provider tells it"""
    calls: tuple[ToolCall, ...] = ()
    logprobs: list[Object] | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a chat completion."""

    model: str
    choices: list[Choice]
    usage: Object | None = None
    """in OpenAI's words; None: the provider did not tell it"""
    created: int | None = None
    """Unix seconds"""


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a request for embeddings."""

    model: str
    vectors: list[list[float]]
    """one of each input, in the order of the inputs"""
    prompt_tokens: int | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was run and failed. The message is fit for clients."""

    status: int
    message: str
    code: str


class NotExecuted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not run."""

    code: str
    message: str


EXPIRED = NotExecuted(
    code="batch_expired",
    message="This request could not be executed before the completion window expired.",
)
CANCELLED = NotExecuted(
    code="batch_cancelled", message="This request was not executed because the batch was cancelled."
)
Outcome: TypeAlias = Completion | Embeddings | Failure | NotExecuted


def malformed(what: str) -> Failure:
    """The failure of a row, or of an answer in it, that makes no sense. Another try may do better."""
    return Failure(
        status=502, code="malformed_answer", message=f"The provider's answer is malformed: {what}."
    )


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's row says."""

    outcome: Outcome
    line: int | None = None
    """the number that the line was encoded with; None: the row does not tell"""
    echo: bytes | None = None
    """where the row repeats the request without telling the line: the digest of that, see `Dialect`"""

    @property
    def is_success(self) -> bool:
        """Whether its row belongs into the output file; the rows of all others are for the error file."""
        return isinstance(self.outcome, Completion | Embeddings)

    def row(self, custom_id: str | msgspec.Raw, *, job: str, line: int, created: int) -> bytes:
        """OpenAI's row of this answer, as a line without its newline. The same arguments give the same row.

        Args:
            custom_id: the client's, of the line; raw JSON is written as it stands.
            job: which job answered; with `line` it makes the ids in the row.
            line: the number of the line.
            created: in Unix seconds, for answers that do not tell when they were made.

        """
        ids = _Ids(f"{job}:{line}:")
        row: Object = {
            "id": ids("batch_req_", "row"),
            "custom_id": custom_id if isinstance(custom_id, str) else "",
            "response": None,
            "error": None,
        }
        if isinstance(self.outcome, NotExecuted):
            row["error"] = {"code": self.outcome.code, "message": self.outcome.message}
        else:
            status = self.outcome.status if isinstance(self.outcome, Failure) else 200
            body = _body(self.outcome, ids, created)
            row["response"] = {"status_code": status, "request_id": ids("", "request"), "body": body}
        written = to_json(row)
        if isinstance(custom_id, str):
            return written
        return written.replace(b'"custom_id":""', b'"custom_id":' + bytes(custom_id), 1)


def to_json(value: object) -> bytes:
    """JSON, also of strings that hold half of a surrogate pair."""
    try:
        return msgspec.json.encode(value)
    except UnicodeError:
        return json.dumps(value, separators=(",", ":")).encode()


class _Ids:
    """Makes ids that are the same whenever they are made."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def __call__(self, prefix: str, what: str) -> str:
        digest = blake2b((self._seed + what).encode("utf-8", "surrogatepass"), digest_size=16)
        return prefix + digest.hexdigest()


def _body(outcome: Completion | Embeddings | Failure, ids: _Ids, created: int) -> Object:
    if isinstance(outcome, Failure):
        error = {"message": outcome.message, "type": _error_type(outcome.status), "param": None}
        return {"error": {**error, "code": outcome.code}}
    if isinstance(outcome, Embeddings):
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(outcome.vectors)
        ]
        body: Object = {"object": "list", "data": data, "model": outcome.model}
        if outcome.prompt_tokens is not None:
            tokens = outcome.prompt_tokens
            body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return body
    body = {
        "id": ids("chatcmpl-", "answer"),
        "object": "chat.completion",
        "created": created if outcome.created is None else outcome.created,
        "model": outcome.model,
        "choices": [_choice(choice, index, ids) for index, choice in enumerate(outcome.choices)],
    }
    if outcome.usage is not None:
        body["usage"] = outcome.usage
    return body


def _choice(choice: Choice, index: int, ids: _Ids) -> Object:
    message: dict[str, Any] = {"role": "assistant", "content": choice.content, "refusal": choice.refusal}
    if choice.reasoning is not None:
        message["reasoning_content"] = choice.reasoning
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": ids("call_", f"call:{index}:{number}"),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(choice.calls)
        ]
    logprobs = None if choice.logprobs is None else {"content": choice.logprobs, "refusal": None}
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish_reason}


def _error_type(status: int) -> str:
    if status >= 500:
        return "server_error"
    return _ERROR_TYPES.get(status, "invalid_request_error")


_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "requests"}
