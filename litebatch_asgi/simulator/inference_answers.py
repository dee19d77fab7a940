"""What an inference server answers: as batches do, and at the endpoints that these do not have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from .answers import ANSWERERS, Answerer, Ask, Usage, texts_of
from .json_values import JSON, is_array, is_object

CREATED = 1_735_689_600
"""Unix seconds at which everything was answered, so that the same request gets the same bytes"""


def said_in(body: JSON) -> list[str]:
    """All that a request says, in order."""
    said = list(texts_of(body))
    return said or [text for member in _COMPARED for text in _listed(body.get(member))]


def models_of(models: frozenset[str]) -> JSON:
    """The list of the models that there are."""
    shown = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "vllm", "root": name, "parent": None}
        for name in sorted(models)
    ]
    return {"object": "list", "data": shown}


def relevance(query: str, document: str) -> float:
    """How well a document fits, from 0 to 1: the same for the same texts."""
    drawn = hashlib.blake2b(f"{query}\0{document}".encode("utf-8", "replace"), digest_size=4).digest()
    return round(int.from_bytes(drawn) / 0xFFFFFFFF, 6)


def _rerank(ask: Ask) -> tuple[JSON, Usage]:
    query, documents = ask.body["query"], list(_listed(ask.body["documents"]))
    usage = _used(ask)
    fits = [(relevance(query, text), index) for index, text in enumerate(documents)]
    results = [
        {"index": index, "document": {"text": documents[index]}, "relevance_score": fit}
        for fit, index in sorted(fits, reverse=True)
    ]
    return {
        "id": f"rerank-{ask.key}",
        "model": ask.model,
        "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens},
        "results": results[: ask.body.get("top_n") or None],
    }, usage


def _score(ask: Ask) -> tuple[JSON, Usage]:
    lefts = list(_listed(ask.body.get("queries", ask.body.get("text_1"))))
    rights = list(_listed(ask.body.get("documents", ask.body.get("text_2"))))
    usage = _used(ask)
    pairs = zip(lefts * len(rights) if len(lefts) == 1 else lefts, rights, strict=True)
    return {
        "id": f"score-{ask.key}",
        "object": "list",
        "created": ask.created,
        "model": ask.model,
        "data": [
            {"index": index, "object": "score", "score": relevance(*pair)} for index, pair in enumerate(pairs)
        ],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "total_tokens": usage.input_tokens,
            "completion_tokens": 0,
        },
    }, usage


def _used(ask: Ask) -> Usage:
    return Usage(input_tokens=ask.usage("", reasons=False).input_tokens)


def _listed(value: Any) -> Iterator[str]:
    """The texts of a text, a document, or an array of them."""
    for each in value if is_array(value) else [value]:
        text = each.get("text") if is_object(each) else each
        if text is not None:
            yield str(text)


_COMPARED = ("query", "queries", "documents", "text_1", "text_2")
INFERENCE_ANSWERERS: Mapping[str, Answerer] = {
    **ANSWERERS,
    "/v1/rerank": _rerank,
    "/v1/score": _score,
}
