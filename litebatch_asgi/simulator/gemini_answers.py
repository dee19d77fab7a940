"""What the simulated Gemini answers, and what it says that it used.

Shapes are those of Vertex's `GenerateContentResponse`, and of the rows of its batch embeddings.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from .answers import Ask, Usage, vector
from .json_values import JSON, is_array
from .proto_json import canonical


def gemini_answer(ask: Ask) -> tuple[JSON, Usage]:
    """The response to a request for contents, and what it used."""
    request = canonical(ask.body)
    config = canonical(request.get("generationConfig", {}))
    usage = ask.usage(ask.text, reasons=True)
    finish = ask.directive.finish_reason or "STOP"
    called = _called(request)
    candidates: list[JSON] = []
    for index in range(int(config.get("candidateCount", 1))):
        parts = [{"functionCall": called}] if called is not None else [{"text": ask.text}]
        candidate: JSON = {"finishReason": finish, "avgLogprobs": -0.25}
        if finish in ("STOP", "MAX_TOKENS"):
            candidate["content"] = {"role": "model", "parts": parts}
        if index:
            candidate["index"] = index
        if config.get("responseLogprobs"):
            candidate["logprobsResult"] = _logprobs(ask.text, int(config.get("logprobs", 0)))
        candidates.append(candidate)
    return {
        "candidates": candidates,
        "createTime": datetime.fromtimestamp(ask.created, UTC).isoformat().replace("+00:00", "Z"),
        "modelVersion": ask.model,
        "responseId": ask.key[:22],
        "usageMetadata": _usage_metadata(ask, usage),
    }, usage


def embedding_answer(ask: Ask) -> tuple[JSON, Usage]:
    """The response to a request for an embedding, and what it used."""
    request = canonical(ask.body)
    config = canonical(request.get("embedContentConfig", {})) | request
    texts = [canonical(part).get("text", "") for part in canonical(request["content"])["parts"]]
    usage = Usage(input_tokens=ask.usage("", reasons=False).input_tokens)
    return {
        "embedding": {"values": vector("\n".join(texts), config.get("outputDimensionality"))},
        "tokenCount": str(usage.input_tokens),
        "truncated": False,
        "usageMetadata": {
            "promptTokenCount": usage.input_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
            "totalTokenCount": usage.input_tokens,
        },
    }, usage


def _called(request: JSON) -> JSON | None:
    """The call that a request insists on; None if it leaves the choice."""
    calling = canonical(canonical(request.get("toolConfig", {})).get("functionCallingConfig", {}))
    if str(calling.get("mode", "")).upper() != "ANY":
        return None
    allowed = calling.get("allowedFunctionNames") or _declared(request)
    return {"name": allowed[0], "args": {}} if allowed else None


def _declared(request: JSON) -> list[str]:
    tools = request.get("tools", [])
    declared = [
        canonical(tool).get("functionDeclarations", []) for tool in (tools if is_array(tools) else [tools])
    ]
    return [canonical(each)["name"] for several in declared for each in several]


def _logprobs(text: str, top: int) -> JSON:
    words = text.split()[:20]
    chosen = [{"token": word, "tokenId": len(word), "logProbability": -0.25} for word in words]
    told: JSON = {"chosenCandidates": chosen}
    if top:
        told["topCandidates"] = [
            {"candidates": [one | {"logProbability": -0.25 - rank} for rank in range(top)]} for one in chosen
        ]
    return told


def _usage_metadata(ask: Ask, usage: Usage) -> Any:
    """Thoughts are counted beside the candidates; members that are zero are left out."""
    if ask.directive.usage is not msgspec.UNSET:
        return ask.directive.usage
    directive = ask.directive
    counts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    details = {
        "promptTokensDetails": _by_modality(
            usage.input_tokens, directive.audio_input_tokens, directive.image_input_tokens
        ),
        "candidatesTokensDetails": _by_modality(
            counts["candidatesTokenCount"], directive.audio_output_tokens, directive.image_output_tokens
        ),
        "cacheTokensDetails": _by_modality(usage.cached_tokens, 0, 0),
    }
    return {
        **{name: count for name, count in counts.items() if count},
        **{name: detail for name, detail in details.items() if detail},
        "trafficType": "ON_DEMAND",
    }


def _by_modality(total: int, audio: int, images: int) -> list[JSON]:
    counts = {"TEXT": total - audio - images, "AUDIO": audio, "IMAGE": images}
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]
