"""What an upload is found to hold is kept with the file, for limits and for estimates of its cost."""

from __future__ import annotations

from litebatch_asgi import Principal
from tests.harness import InProcess, lines

IMAGE = "data:image/png;base64," + "A" * 40_000
ALICE = Principal(owner="alice")


async def test_a_file_knows_its_tokens(held_gateway: InProcess) -> None:
    """Its images count as images; a line without a limit counts its answers."""
    seeing = [{"type": "image_url", "image_url": {"url": IMAGE}}]
    some = lines(3, max_tokens=50, n=2)
    with_image = lines(1, messages=[{"role": "user", "content": seeing}]).replace(b"request-0", b"request-3")
    content = some + b"\n" + with_image
    uploaded = await held_gateway.upload(content)
    file = await held_gateway.litebatch.files.retrieve(ALICE, uploaded.id)
    counted = len(content) - (len(IMAGE) + 2) + 4 * 1000
    assert (file.tokens, file.output_tokens, file.unlimited_answers) == (-(-counted // 4), 300, 1)


async def test_a_file_of_another_purpose_has_no_requests(held_gateway: InProcess) -> None:
    client = held_gateway.client()
    uploaded = await client.files.create(
        file=("notes.txt", b"data:image/png;base64,AAAA"), purpose="user_data"
    )
    file = await held_gateway.litebatch.files.retrieve(ALICE, uploaded.id)
    assert (file.tokens, file.output_tokens, file.unlimited_answers) == (0, None, None)
