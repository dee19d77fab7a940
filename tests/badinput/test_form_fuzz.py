"""Forms made up at random, over real sockets: the right ones come out as they went in, others do no harm."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeAlias

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.spool import Spooler
from litebatch_asgi.wire.filenames import clean_filename
from tests.badinput.probe import CALLER, PURPOSE, Probe, a_line, error_of, upload_head
from tests.http.forms import BOUNDARY, CONTENT_TYPE, field, file, form, part
from tests.http.sockets import Answer, chunked, raw_client
from tests.http.test_receive import Receiver, receiving

Field: TypeAlias = tuple[str, str]
HANG_SECONDS = 10

quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def spooler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spooler]:
    with ThreadPoolExecutor(2) as executor:
        yield Spooler(tmp_path_factory.mktemp("spool"), executor)


@pytest.fixture(scope="module")
async def echo(spooler: Spooler) -> AsyncGenerator[str]:
    """A server that tells what it received of an upload."""
    async with receiving(Receiver(spooler)) as address:
        yield address


DELIMITER = b"\r\n--" + BOUNDARY
TOKENS = [b"\r", b"\n", b"\r\n", b"--", b"\r\n--", BOUNDARY, DELIMITER[:-1], DELIMITER[2:], b"\0"]
SYNTAX = [DELIMITER, b'"', b";", b":", b"=", b"\\", b"*", b"%", b"name", b"filename=", b"\xff"]
names = st.text(st.characters(exclude_categories=["C"], exclude_characters='"\\'), min_size=1, max_size=12)
contents = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=20), max_size=8).map(b"".join)
values = contents.map(lambda raw: raw.decode(errors="replace"))
fields = st.lists(st.tuples(names.filter("file".__ne__), values), max_size=4)
cuts = st.lists(st.integers(0, 1500), max_size=6)
headers = st.lists(
    st.sampled_from(["Content-Type: text/plain", "X-Empty:", "content-transfer-encoding: 8bit"]), unique=True
)
spellings = st.sampled_from(
    [
        'form-data; name="{}"{}',
        'form-data;name="{}"{}',
        'Form-Data; Name="{}"{}',
        'form-data ; name="{}"{}; x=y',
    ]
)


async def sent(address: str, body: bytes, at: list[int], known: bool) -> Answer:
    """The answer to a body that is sent in pieces, with or without its length."""
    edges = [0, *sorted({min(cut, len(body)) for cut in at}), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges) if start < end]
    with anyio.fail_after(HANG_SECONDS):
        async with raw_client(address) as client:
            await client.send(upload_head(len(body) if known else None))
            await client.send(*(pieces if known else chunked(*pieces)))
            return await client.answer()


@quick
@given(
    before=fields,
    after=fields,
    content=contents,
    filename=names,
    extra=headers,
    spelling=spellings,
    at=cuts,
    known=st.booleans(),
)
async def test_what_goes_in_comes_out(
    echo: str,
    before: list[Field],
    after: list[Field],
    content: bytes,
    filename: str,
    extra: list[str],
    spelling: str,
    at: list[int],
    known: bool,
) -> None:
    first, second = (
        [part(spelling.format(name, ""), value.encode(), *extra) for name, value in pairs]
        for pairs in (before, after)
    )
    upload = part(spelling.format("file", f'; filename="{filename}"'), content, *extra)
    answer = await sent(echo, form(*first, upload, *second), at, known)
    told = answer.json()
    if any(DELIMITER in raw for raw in (content, *(value.encode() for _, value in before + after))):
        assert answer.status in (200, 400)  # no client would choose this boundary
        return
    assert answer.status == 200, told
    assert [tuple(pair) for pair in told["fields"]] == before + after
    assert told["filename"] == clean_filename(filename)
    assert told["sha256"] == hashlib.sha256(content).hexdigest()


GOOD = form(
    PURPOSE,
    field("expires_after[anchor]", "created_at"),
    field("expires_after[seconds]", "3600"),
    file(a_line()),
)
places = st.integers(0, len(GOOD))
inserts = st.sampled_from([*TOKENS, *SYNTAX])
mutations = st.lists(
    st.tuples(places, st.integers(0, 30) | places, inserts | st.binary(max_size=8)), min_size=1, max_size=4
)


def mutated(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """The body with slices of it replaced: `at`, how many bytes, and by what."""
    for at, length, insert in changes:
        body = body[:at] + insert + body[at + length :]
    return body


@quick
@given(changes=mutations, at=cuts, known=st.booleans())
async def test_a_broken_form_is_refused_or_understood(
    probe: Probe, changes: list[tuple[int, int, bytes]], at: list[int], known: bool
) -> None:
    body = mutated(GOOD, changes)
    answer = await sent(probe.gateway.address, body, at, known)
    if answer.status == 200:
        async with probe.gateway.http(CALLER) as http:
            kept = await http.get(f"/files/{answer.json()['id']}/content")
        assert kept.content in body
    else:
        error_of(answer, 400)


@quick
@given(changes=mutations)
async def test_a_broken_content_type_is_refused_or_understood(
    probe: Probe, changes: list[tuple[int, int, bytes]]
) -> None:
    content_type = CONTENT_TYPE.encode()
    broken = mutated(content_type, [(at % len(content_type), n % 9, new) for at, n, new in changes])
    plain = bytes(byte for byte in broken if byte >= 0x20 and byte != 0x7F)
    request = upload_head(len(GOOD)).replace(content_type, plain)
    with anyio.fail_after(HANG_SECONDS):
        answer = await probe.ask(request, GOOD)
    if answer.status != 200:
        error_of(answer, 400)


async def test_nothing_is_left_of_all_that(probe: Probe) -> None:
    async with probe.unharmed(uploads=True):
        pass
