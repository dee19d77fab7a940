"""What it costs to check, splice and tally JSONL, in CPU milliseconds per megabyte, and as ratios.

Each figure is the best of several rounds, with blocks of 256 KiB as they come from the disk.
"""

from __future__ import annotations

import base64
import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from benchmarks import _report
from litebatch_asgi.batches.charging import usage_by_model
from litebatch_asgi.costs import PriceBook, priced
from litebatch_asgi.jsonl import (
    CheckedFile,
    CheckLimits,
    LineChecker,
    ModelRewriter,
    RowTally,
    Splicer,
    json_string,
)
from litebatch_asgi.models import Deployment

MEGABYTES = 24
BLOCK = 256 << 10
ROUNDS = 7
CHECK_BAR = 1.3
TALLY_BAR = 0.5
NOW = datetime(2026, 11, 26, tzinfo=UTC)
MODEL = "gpt-4o-batch"
UPSTREAM = "gpt-4o-mini-general-deployment"
URL = "/v1/chat/completions"
PRICED = Deployment(
    model_name=MODEL,
    model=f"openai/{UPSTREAM}",
    prices={
        "input_cost_per_token": Decimal("0.00000015"),
        "input_cost_per_token_above_128k_tokens": Decimal("0.0000003"),
        "output_cost_per_token": Decimal("0.0000006"),
    },
)
PRICES = PriceBook([PRICED])


class Text:
    """Makes up prose of a wanted length."""

    def __init__(self, seed: int, letters: str) -> None:
        self._random = random.Random(seed)
        self._words = [
            "".join(self._random.choices(letters, k=self._random.randint(2, 9))) for _ in range(2000)
        ]

    def __call__(self, length: int) -> str:
        words = self._random.choices(self._words, k=length // 6)
        return " ".join(words).ljust(length, ".")[:length]


ENGLISH = Text(1, "abcdefghijklmnopqrstuvwxyz")
GREEK = Text(2, "αβγδεζηθικλμνξοπρστυφχψω")


def request(number: int, content: object, **body: object) -> dict[str, object]:
    messages = [{"role": "system", "content": ENGLISH(500)}, {"role": "user", "content": content}]
    whole = {"model": MODEL, "messages": messages, "temperature": 0.2, "max_tokens": 500, **body}
    return {"custom_id": f"request-{number}", "method": "POST", "url": URL, "body": whole}


def prose(number: int) -> bytes:
    return json.dumps(request(number, ENGLISH(3300))).encode()


def with_stream(number: int) -> bytes:
    return json.dumps(request(number, ENGLISH(3300), stream=False)).encode()


def sorted_keys(number: int) -> bytes:
    return json.dumps(request(number, ENGLISH(3300)), sort_keys=True).encode()


def escaped(number: int) -> bytes:
    return json.dumps(request(number, GREEK(580))).encode()


def unicode(number: int) -> bytes:
    return json.dumps(request(number, GREEK(1800)), ensure_ascii=False).encode()


def nested_json(number: int) -> bytes:
    text = json.dumps([{"id": index, "name": "x"} for index in range(120)])
    return json.dumps(request(number, text), sort_keys=True).encode()


IMAGE = "data:image/png;base64," + base64.b64encode(random.Random(3).randbytes(180_000)).decode()


def image(number: int) -> bytes:
    parts = [
        {"type": "image_url", "image_url": {"url": url}} for url in (IMAGE, f"https://example.com/{number}")
    ]
    return json.dumps(request(number, parts)).encode()


def answer(number: int) -> bytes:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 600,
        "total_tokens": 700,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5, "accepted_prediction_tokens": 0},
    }
    message = {"role": "assistant", "content": ENGLISH(3200), "refusal": None}
    body = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": UPSTREAM,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage,
        "system_fingerprint": "fp_1",
    }
    response = {"status_code": 200, "request_id": f"{number:032x}", "body": body}
    row = {
        "id": f"batch_req_{number:032x}",
        "custom_id": f"request-{number}",
        "response": response,
        "error": None,
    }
    return json.dumps(row).encode()


def file_of(make: Callable[[int], bytes]) -> bytes:
    """About `MEGABYTES` of lines."""
    lines = [make(0)]
    while sum(map(len, lines[-1:])) * len(lines) < MEGABYTES * 1_000_000:
        lines.append(make(len(lines)))
    return b"\n".join(lines) + b"\n"


def blocks(content: bytes) -> list[bytes]:
    return [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]


def cost(run: Callable[[], object], size: int) -> float:
    """CPU milliseconds per megabyte."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best * 1e9 / size


def check(pieces: list[bytes]) -> CheckedFile:
    limits = CheckLimits(max_lines=10_000_000, max_line_bytes=16 << 20)
    checker = LineChecker(endpoints=[URL], limits=limits, model_problem=lambda model: None)
    for piece in pieces:
        checker.feed(piece)
    return checker.finish()


def splice(pieces: list[bytes], checked: CheckedFile) -> None:
    splicer = Splicer(checked.spans, len(json_string(MODEL)), json_string(UPSTREAM))
    for piece in pieces:
        splicer.feed(piece)


def rewrite(pieces: list[bytes]) -> None:
    rewriter = ModelRewriter(MODEL, UPSTREAM)
    for piece in pieces:
        rewriter.feed(piece)
    rewriter.finish()


def settle_file(path: Path) -> None:
    tally = RowTally(thresholds=PRICES.thresholds)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            tally.feed(block)
    for model, usage in usage_by_model(tally.finish(), UPSTREAM).items():
        priced(usage, PRICES.find(PRICED, model, upstream_model=UPSTREAM, now=NOW))


def read_lines(path: Path) -> None:
    with path.open("rb") as file:
        for _ in file:
            pass


def bench_input(name: str, make: Callable[[int], bytes], bar: float | None = None) -> None:
    content = file_of(make)
    pieces = blocks(content)
    checked = check(pieces)
    figures = (
        cost(lambda: check(pieces), len(content)),
        cost(lambda: splice(pieces, checked), len(content)),
        cost(lambda: rewrite(pieces), len(content)),
    )
    per_line = len(content) / checked.lines / 1000
    told = "{:.2f}, {:.2f} and {:.2f}".format(*figures)
    _report.show(f"{name}, {per_line:.1f} KB a line: check, splice, rewrite", f"{told} ms per MB")
    if bar is not None:
        _report.at_most(f"{name}: check", figures[0], bar, "ms per MB")


def bench_output(folder: Path) -> None:
    path = folder / "output.jsonl"
    content = file_of(answer)
    path.write_bytes(content)
    reading = cost(lambda: read_lines(path), len(content))
    tallying = cost(lambda: settle_file(path), len(content))
    name = f"results, {len(answer(0)) / 1000:.1f} KB a row"
    _report.show(f"{name}: read line by line", f"{reading:.2f} ms per MB")
    _report.show(f"{name}: read, tallied and priced", f"{tallying:.2f} ms per MB")
    _report.at_least("results: rate of tallying beside reading", reading / tallying, TALLY_BAR, "times")


def main() -> None:
    bench_input("prose", prose, CHECK_BAR)
    bench_input("prose, stream: false", with_stream)
    bench_input("prose, keys sorted", sorted_keys)
    bench_input("Greek with \\u escapes", escaped)
    bench_input("Greek in UTF-8", unicode)
    bench_input("JSON in the prompt, keys sorted", nested_json)
    bench_input("images", image)
    with tempfile.TemporaryDirectory() as folder:
        bench_output(Path(folder))


if __name__ == "__main__":
    main()
