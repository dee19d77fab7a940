"""The tables name every parameter that the `openai` package knows, and say something of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from openai.types import embedding_create_params, shared_params
from openai.types.chat import (
    chat_completion_assistant_message_param as assistant,
)
from openai.types.chat import (
    chat_completion_content_part_image_param as image,
)
from openai.types.chat import (
    chat_completion_content_part_input_audio_param as audio,
)
from openai.types.chat import (
    chat_completion_content_part_param as part,
)
from openai.types.chat import (
    chat_completion_content_part_refusal_param as refusal,
)
from openai.types.chat import (
    chat_completion_content_part_text_param as text,
)
from openai.types.chat import (
    chat_completion_developer_message_param as developer,
)
from openai.types.chat import (
    chat_completion_function_message_param as function,
)
from openai.types.chat import (
    chat_completion_system_message_param as system,
)
from openai.types.chat import (
    chat_completion_tool_message_param as tool,
)
from openai.types.chat import (
    chat_completion_user_message_param as user,
)
from openai.types.chat import (
    completion_create_params,
)

from litebatch_asgi.dialects.anthropic import table as anthropic
from litebatch_asgi.dialects.conversation import MESSAGE_KEYS
from litebatch_asgi.dialects.media import PART_KEYS
from litebatch_asgi.dialects.mistral import table as mistral
from litebatch_asgi.dialects.rules import Handling, Rule
from litebatch_asgi.dialects.tools import FUNCTION_KEYS
from litebatch_asgi.dialects.vertex import table as vertex

CHATS: dict[str, Mapping[str, Rule[Any]]] = {
    "anthropic": anthropic.CHAT,
    "mistral": mistral.CHAT,
    "vertex": vertex.CHAT,
}
EMBEDDINGS: dict[str, Mapping[str, Rule[Any]]] = {
    "mistral embeddings": mistral.EMBEDDINGS,
    "vertex embeddings": vertex.EMBEDDINGS,
}
TABLES: dict[str, Mapping[str, Rule[Any]]] = {**CHATS, **EMBEDDINGS}


@pytest.mark.parametrize("name", CHATS)
def test_every_parameter_of_chat_completions_has_a_rule(name: str) -> None:
    known = set(get_type_hints(completion_create_params.CompletionCreateParamsNonStreaming))
    assert set(CHATS[name]) == known


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_every_parameter_of_embeddings_has_a_rule(name: str) -> None:
    known = set(get_type_hints(embedding_create_params.EmbeddingCreateParams))
    assert set(EMBEDDINGS[name]) == known | {"stream"}


@pytest.mark.parametrize("name", TABLES)
def test_every_rule_that_maps_nothing_tells_why(name: str) -> None:
    for param, rule in TABLES[name].items():
        is_mapped = rule.handling is Handling.MAPPED
        assert (rule.write is not None) is is_mapped, param
        assert bool(rule.why) is not is_mapped, param
        assert is_mapped or rule.why.endswith("."), param
        assert bool(rule.neutral) or rule.handling is not Handling.NEUTRAL, param


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("assistant", assistant.ChatCompletionAssistantMessageParam),
        ("developer", developer.ChatCompletionDeveloperMessageParam),
        ("function", function.ChatCompletionFunctionMessageParam),
        ("system", system.ChatCompletionSystemMessageParam),
        ("tool", tool.ChatCompletionToolMessageParam),
        ("user", user.ChatCompletionUserMessageParam),
    ],
)
def test_every_member_of_messages_is_known(role: str, message: type) -> None:
    assert set(get_type_hints(message)) == MESSAGE_KEYS[role] - {"annotations"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("file", part.File),
        ("image_url", image.ChatCompletionContentPartImageParam),
        ("input_audio", audio.ChatCompletionContentPartInputAudioParam),
        ("refusal", refusal.ChatCompletionContentPartRefusalParam),
        ("text", text.ChatCompletionContentPartTextParam),
    ],
)
def test_every_member_of_parts_is_known(kind: str, told: type) -> None:
    assert set(get_type_hints(told)) == PART_KEYS[kind]


def test_every_member_of_functions_is_known() -> None:
    assert set(get_type_hints(shared_params.FunctionDefinition)) == FUNCTION_KEYS
