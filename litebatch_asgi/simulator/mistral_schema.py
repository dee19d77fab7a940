"""The requests that Mistral takes, as its OpenAPI document and the types of its package have them.

Every object is closed. What the package has and the document has not yet is taken too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from .json_values import JSON

Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Closed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An object without further members."""


class TextChunk(Closed, tag_field="type", tag="text"):
    """Text."""

    text: str


class ImageURL(Closed):
    """An image with how closely it is to be looked at."""

    url: str
    detail: Literal["low", "auto", "high"] | None = None


class ImageURLChunk(Closed, tag_field="type", tag="image_url"):
    """An image."""

    image_url: str | ImageURL


class DocumentURLChunk(Closed, tag_field="type", tag="document_url"):
    """A document."""

    document_url: str
    document_name: str | None = None


class ReferenceChunk(Closed, tag_field="type", tag="reference"):
    """Where something is from."""

    reference_ids: list[int | str]


class FileChunk(Closed, tag_field="type", tag="file"):
    """A file of Mistral's."""

    file_id: str


class AudioChunk(Closed, tag_field="type", tag="input_audio"):
    """Audio."""

    input_audio: str


class ThinkChunk(Closed, tag_field="type", tag="thinking"):
    """What a model thought."""

    thinking: list[TextChunk | ReferenceChunk]
    signature: str | None = None
    closed: bool | None = None


Chunk = TextChunk | ImageURLChunk | DocumentURLChunk | ReferenceChunk | FileChunk | AudioChunk | ThinkChunk


class FunctionCall(Closed):
    """A function with its arguments, as an object or as JSON."""

    name: str
    arguments: JSON | str


class ToolCall(Closed):
    """A call that a model made."""

    function: FunctionCall
    id: str = "null"
    type: Literal["function"] = "function"
    index: int = 0


class SystemMessage(Closed, tag_field="role", tag="system"):
    """Instructions."""

    content: str | list[TextChunk | ThinkChunk]


class UserMessage(Closed, tag_field="role", tag="user"):
    """What a user said."""

    content: str | list[Chunk] | None


class AssistantMessage(Closed, tag_field="role", tag="assistant"):
    """What a model said and called."""

    content: str | list[Chunk] | None = None
    tool_calls: list[ToolCall] | None = None
    prefix: bool = False


class ToolMessage(Closed, tag_field="role", tag="tool"):
    """What a call gave back."""

    content: str | list[Chunk] | None
    tool_call_id: str | None = None
    name: str | None = None


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class Function(Closed):
    """What a model may call."""

    name: str
    parameters: JSON
    description: str = ""
    strict: bool = False


class Tool(Closed):
    """A function."""

    function: Function
    type: Literal["function"] = "function"


class FunctionName(Closed):
    """A function by its name."""

    name: str


class ToolChoice(Closed):
    """The one function that is to be called."""

    function: FunctionName
    type: Literal["function"] = "function"


class JSONSchema(Closed):
    """What an answer must be like."""

    name: str
    schema: JSON
    description: str | None = None
    strict: bool = False


class ResponseFormat(Closed):
    """In what form an answer is."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JSONSchema | None = None


class Prediction(Closed):
    """What an answer will probably be like."""

    type: Literal["content"] = "content"
    content: str = ""


class ChatCompletionRequest(Closed):
    """`POST /v1/chat/completions`; in a batch the job may name the model."""

    messages: list[Message]
    model: str | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1.5)] | None = None
    top_p: Share | None = None
    max_tokens: Natural | None = None
    stream: bool = False
    stop: str | list[str] | None = None
    random_seed: Natural | None = None
    metadata: JSON | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | Literal["auto", "none", "any", "required"] = "auto"
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    min_tokens: Natural | None = None
    repetition_penalty: float | None = None
    top_k: int | None = None
    logprobs: bool | None = None
    top_logprobs: Natural | None = None
    prompt_logprobs: bool | None = None
    top_prompt_logprobs: Natural | None = None
    n: Positive | None = None
    prediction: Prediction | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: Effort | None = None
    prompt_mode: Literal["reasoning"] | None = None
    guardrails: list[Any] | None = None
    prompt_cache_key: str | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    safe_prompt: bool = False


class EmbeddingRequest(Closed):
    """`POST /v1/embeddings`; in a batch the job may name the model."""

    input: str | list[str]
    model: str | None = None
    metadata: JSON | None = None
    output_dimension: Positive | None = None
    output_dtype: Literal["float", "int8", "uint8", "binary", "ubinary"] = "float"
    encoding_format: Literal["float", "base64"] = "float"


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a batch input; it may have further members."""

    body: JSON
    custom_id: str | None = None


Key = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Value = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class BatchJobIn(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/batch/jobs`, of what lies in files."""

    endpoint: Literal[
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/fim/completions",
        "/v1/moderations",
        "/v1/chat/moderations",
        "/v1/ocr",
        "/v1/classifications",
        "/v1/chat/classifications",
        "/v1/conversations",
        "/v1/audio/transcriptions",
    ]
    input_files: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]
    model: str | None = None
    metadata: dict[Key, Value] | None = None
    timeout_hours: Annotated[int, msgspec.Meta(ge=1)] = 24
