"""A secret in a path is blotted out of the log however it is spelled."""

from __future__ import annotations

import pytest

from litebatch_asgi.server.logs import Redactor
from litebatch_asgi.server.secret import new_secret
from tests.server.test_access import told


@pytest.mark.parametrize("escaped", ["", "-", "sk-", "k"])
async def test_an_escaped_secret_in_a_path_is_not_logged(escaped: str) -> None:
    secret = new_secret()
    spelled = "".join(f"%{ord(each):02X}" if each in escaped else each for each in secret)
    (line,) = await told(f"/v1/files/{spelled}")
    assert Redactor([])(str(line["path"])) == "/v1/files/[redacted]"


async def test_nothing_in_a_path_ends_a_line() -> None:
    (line,) = await told("/v1/files/a%0Ab%22%7F%C3%A9%FF")
    assert str(line["path"]).isascii()
    assert str(line["path"]).isprintable()
