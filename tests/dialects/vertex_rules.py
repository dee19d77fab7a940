"""Whether Vertex AI takes an encoded line: by the simulator's rules, and by Google's own types.

The simulator's rules were written from the published schema of the API; the types of the `google-genai`
package, which forbid unknown fields, are a second opinion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.genai import types

from litebatch_asgi.simulator import gemini_rules
from litebatch_asgi.simulator.vertex_import import imported


def check_line(line: bytes) -> dict[str, Any]:
    """The line as decoded, which the provider takes, and the import does not change but in its order."""
    assert b"\n" not in line
    told: dict[str, Any] = json.loads(line)
    assert imported(line) == told
    request, embeds = told["request"], "content" in told["request"]
    gemini_rules.check_request(request, embeds=embeds)
    if embeds:
        assert told.keys() == {"key", "request"}
        _check_embedding_types(request)
    else:
        assert told.keys() == {"custom_id", "request"}
        _check_types(request)
    return told


def check_schema(schema: Any) -> None:
    """The keywords that the provider's documentation lists."""
    gemini_rules.check_schema(schema, "schema")


def _check_embedding_types(request: Mapping[str, Any]) -> None:
    assert request.keys() <= {"content", "embed_content_config"}
    types.Content.model_validate(request["content"])
    types.EmbedContentConfig.model_validate(request.get("embed_content_config", {}))


def _check_types(request: Mapping[str, Any]) -> None:
    known = {"contents", "systemInstruction", "tools", "toolConfig", "labels", "generationConfig"}
    assert request.keys() <= known
    for content in request["contents"]:
        types.Content.model_validate(content)
    types.Content.model_validate(request.get("systemInstruction", {}))
    for tool in request.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(request.get("toolConfig", {}))
    types.GenerationConfig.model_validate(request.get("generationConfig", {}))
