"""How fast lines and rows are translated on one core: megabytes in a second of CPU time.

Each figure is the best of several rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from benchmarks._report import at_least, show
from benchmarks.bench_jsonl import ENGLISH, escaped, prose, unicode
from litebatch_asgi.dialects import Dialect, surrogate
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect

LINES = 2000
QUICK_LINES = 100
ROUNDS = 5
BAR = 40.0
VERTEX = VertexDialect(GeminiModel.named("gemini-2.5-flash"))
ANTHROPIC = AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5"))
MISTRAL = MistralDialect(MistralModel.named("mistral-small-latest"))


def rate(translate: Callable[[bytes, int], object], lines: list[bytes]) -> float:
    """Megabytes of lines in a second."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for number, line in enumerate(lines):
            translate(line, number)
        best = min(best, time.process_time() - start)
    return sum(map(len, lines)) / best / 1e6


def encoding(dialect: Dialect, make: Callable[[int], bytes], count: int) -> float:
    lines = [make(number) for number in range(count)]
    assert all(isinstance(dialect.encode(line, 1), bytes) for line in lines)
    return rate(dialect.encode, lines)


def decoding(dialect: Dialect, make: Callable[[int], bytes], count: int) -> float:
    def translate(row: bytes, number: int) -> bytes:
        return dialect.decode(row).row("request-1", job="job", line=number, created=0)

    lines = [make(number) for number in range(count)]
    assert all(b'"status_code":200' in translate(line, 1) for line in lines)
    return rate(translate, lines)


def gemini_row(number: int) -> bytes:
    request = {"contents": [{"role": "user", "parts": [{"text": ENGLISH(3000)}]}]}
    candidate = {"content": {"role": "model", "parts": [{"text": ENGLISH(3000)}]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 600, "totalTokenCount": 700}
    response = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}
    row = {"custom_id": surrogate(number), "status": "", "request": request, "response": response}
    return json.dumps(row).encode()


def claude_row(number: int) -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 600, "service_tier": "batch"}
    content = [{"type": "text", "text": ENGLISH(3000)}]
    message = {"model": "claude-sonnet-4-5", "content": content, "stop_reason": "end_turn", "usage": usage}
    row = {"custom_id": surrogate(number), "result": {"type": "succeeded", "message": message}}
    return json.dumps(row).encode()


def mistral_row(number: int) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": 600, "total_tokens": 700}
    message = {"role": "assistant", "content": ENGLISH(3000), "tool_calls": None}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    body = {"id": "0f", "model": "mistral-small-2603", "choices": choices, "usage": usage}
    response = {"status_code": 200, "body": body}
    return json.dumps({"custom_id": surrogate(number), "response": response, "error": None}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LINES} lines of each kind")
    count = QUICK_LINES if parser.parse_args().quick else LINES
    for name, dialect, row in (
        ("Vertex", VERTEX, gemini_row),
        ("Anthropic", ANTHROPIC, claude_row),
        ("Mistral", MISTRAL, mistral_row),
    ):
        at_least(f"{name}: encode plain chats of 4 KB", encoding(dialect, prose, count), BAR, "MB/s")
        show(f"{name}: encode Greek with escapes", f"{encoding(dialect, escaped, count):.2f} MB/s")
        show(f"{name}: encode Greek in UTF-8", f"{encoding(dialect, unicode, count):.2f} MB/s")
        show(f"{name}: decode answers of 3 KB", f"{decoding(dialect, row, count):.2f} MB/s")


if __name__ == "__main__":
    main()
