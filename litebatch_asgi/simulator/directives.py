"""What a line may ask of the simulator for itself: `body.metadata.simulate`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from .json_values import JSON, is_object, prepare_types


class Directive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one request goes, in place of the default: a status, an object with these keys, or its JSON text.

    `{"metadata": {"simulate": "429"}}` fails with that status; `{"simulate": {"error": "request_timeout"}}`
    gets no response at all; `answer`, `model` and the token counts replace what would be made up. Cached,
    written, audio and image tokens are parts of the input; reasoning, audio and image tokens of the output.
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200
    code: str | None = None
    message: str | None = None
    error: str | None = None
    """code of a row that has no response, such as `request_timeout`"""
    answer: str | None = None
    model: str | None = None
    """the model that says it has answered"""
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    finish_reason: str | None = None
    """why the answer ends; Vertex: such as `SAFETY`, without content unless it is `STOP` or `MAX_TOKENS`;
    Mistral: such as `model_length`"""
    fault: Any = None
    """inference servers: a `Fault` that strikes this line, known by the bytes of its body, whenever it comes
    and as often as the fault says, unless another one strikes it"""
    usage: Any = msgspec.UNSET
    """what the answer has in place of its usage, however wrong; the account counts what it would have told"""

    @property
    def fails(self) -> bool:
        """Whether the row belongs into the error file."""
        return self.error is not None or self.status >= 400


prepare_types(Directive)
DEFAULT = Directive()
UNREADABLE = Directive(status=400, message="metadata.simulate is neither a status nor a directive.")


def directive_of(body: JSON) -> Directive:
    """What the request `body` asks for; a directive that cannot be read makes the line fail with 400."""
    metadata = body.get("metadata")
    if not is_object(metadata) or "simulate" not in metadata:
        return DEFAULT
    asked: Any = metadata["simulate"]
    try:
        if isinstance(asked, str):
            asked = msgspec.json.decode(asked)
        return msgspec.convert({"status": asked} if isinstance(asked, int) else asked, Directive)
    except msgspec.MsgspecError:
        return UNREADABLE


def directive_in_text(text: str) -> Directive:
    """What a request asks for whose last words are `simulate`, a blank, and a status or a directive in JSON.

    For providers whose requests have no metadata.
    """
    word, _, asked = text.partition(" ")
    return directive_of({"metadata": {"simulate": asked}}) if word == "simulate" else DEFAULT
