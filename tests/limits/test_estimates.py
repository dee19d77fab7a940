"""What an upload is found to hold is kept with the file, for limits and for estimates of its cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from litebatch_asgi import Principal
from tests.database import Database
from tests.harness import InProcess, lines, running_gateway
from tests.retries.requests import batch_body

from .callers import caller, http_for, upload

IMAGE = "data:image/png;base64," + "A" * 40_000
PRICES = {
    "input_cost_per_token_batches": Decimal("0.000001"),
    "output_cost_per_token_batches": Decimal("0.000001"),
}
ALICE = Principal(owner="alice")


async def test_a_file_knows_its_tokens(held_gateway: InProcess) -> None:
    """Its images count as images; a line without a limit counts its answers."""
    seeing = [{"type": "image_url", "image_url": {"url": IMAGE}}]
    some = lines(3, max_tokens=50, n=2)
    with_image = lines(1, messages=[{"role": "user", "content": seeing}]).replace(b"request-0", b"request-3")
    content = some + b"\n" + with_image
    uploaded = await held_gateway.upload(content)
    file = await held_gateway.litebatch.files.retrieve(ALICE, uploaded.id)
    text = len(content) - (len(IMAGE) + 2)
    assert (file.tokens, file.guessed_tokens) == (-(-text // 4) + 37_000, 37_000)
    assert (file.output_tokens, file.unlimited_answers) == (300, 1)
    assert file.long_requests is not None
    [long] = file.long_requests
    assert (long.above, long.requests, long.unlimited_answers) == (32_000, 1, 1)


async def test_a_file_of_another_purpose_has_no_requests(held_gateway: InProcess) -> None:
    client = held_gateway.client()
    uploaded = await client.files.create(
        file=("notes.txt", b"data:image/png;base64,AAAA"), purpose="user_data"
    )
    file = await held_gateway.litebatch.files.retrieve(ALICE, uploaded.id)
    assert (file.tokens, file.output_tokens, file.unlimited_answers) == (0, None, None)
    assert file.long_requests is None


async def test_images_by_url_do_not_pass_over_a_budget(tmp_path: Path, database: Database) -> None:
    """They are few bytes, and many tokens; a dry run tells in words that these are a guess."""
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = lines(10, messages=[{"role": "user", "content": [part]}], max_tokens=1)
    async with running_gateway(tmp_path, database=database, prices=PRICES, reconciler=False) as gateway:
        file = await upload(gateway, caller(max_budget=Decimal("0.3")), content)
        async with http_for(gateway, caller(max_budget=Decimal("0.3"))) as http:
            told = (await http.post("/batches/dry_run", json=batch_body(file.id))).json()
            refused = await http.post("/batches", json=batch_body(file.id))
    assert told["guessed_input_tokens"] == 370_000
    assert told["note"].startswith("370,000 tokens of the input are a guess")
    assert Decimal(told["estimated_cost"]) > Decimal("0.37")
    assert refused.json()["error"]["code"] == "budget_exceeded"
