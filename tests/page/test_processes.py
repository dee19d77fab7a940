"""Sessions where several processes serve one page."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from litebatch_asgi.page.sessions import COOKIE
from litebatch_asgi.server.secret import page_secret_from
from litebatch_asgi.server.startup import Options, build
from tests.access.standalone import MASTER, standalone
from tests.database import SQLiteDatabase
from tests.harness import QUICK, SWIFT
from tests.page.visiting import Page, Visitor, visiting
from tests.postgres import database_url
from tests.replicas.running import SERVE, Replica, site

OWN = "a secret of the page alone, 1234567890"
CONFIG = "model_list: [{model_name: m, params: {model: openai/m, api_key: k}}]\n"


def carry(cookies: Visitor, to: Visitor) -> None:
    """Let another browser have them."""
    for each in cookies.http.cookies.jar:
        to.http.cookies.set(each.name, each.value or "", domain="127.0.0.1", path=each.path)


@pytest.mark.parametrize(
    ("master_key", "page_secret", "is_shared"),
    [(MASTER, None, True), ("sk-another-master-key", None, False), (MASTER, OWN, False)],
)
async def test_gateways_with_one_master_key_share_them(
    tmp_path: Path, master_key: str, page_secret: str | None, is_shared: bool
) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    one, other = (SQLiteDatabase.migrated(folder) for folder in folders)
    settings = replace(QUICK, page_secret=page_secret)
    async with (
        standalone(folders[0], one) as first,
        standalone(folders[1], other, master_key=master_key, settings=settings) as second,
        visiting(first, MASTER) as visitor,
        visiting(second) as there,
    ):
        carry(visitor, there)
        page = await there.get("/batches")
        assert (page.path == "/ui/batches") == is_shared
        # its forms count there as well
        if is_shared:
            done = await there.submit((await visitor.get("/batches")).form("Sign out"))
            assert done.status == 200


async def test_signing_out_ends_a_copy_of_the_cookie_in_every_process(tmp_path: Path) -> None:
    """And no other session of the same key."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    shared = SQLiteDatabase.migrated(tmp_path)
    async with (
        standalone(folders[0], shared) as first,
        standalone(folders[1], shared) as second,
        visiting(first, MASTER) as visitor,
        visiting(first, MASTER) as other,
        visiting(first) as copied_here,
        visiting(second) as copied_there,
    ):
        copies = (copied_here, copied_there)
        for each in copies:
            carry(visitor, each)
            assert (await each.get("/batches")).heading == "Batches"
        await visitor.submit((await visitor.get("/batches")).form("Sign out"))
        for each in copies:
            assert (await each.get("/batches")).path.startswith("/ui/sign-in")
        assert (await other.get("/batches")).heading == "Batches"


def test_what_is_made_of_a_master_key_is_long_and_not_the_key() -> None:
    secret = page_secret_from("sk-x")
    assert secret == page_secret_from("sk-x")
    assert secret != page_secret_from("sk-y")
    assert len(secret or "") == 64
    assert page_secret_from(None) is None


class TestWorkers:
    @pytest.mark.parametrize(
        ("more", "is_derived"),
        [
            ("", False),
            (f"general_settings: {{master_key: {MASTER}}}", True),
            (f"litebatch_settings: {{page_secret: '{OWN}'}}", False),
        ],
    )
    def test_each_has_the_same_secret(self, tmp_path: Path, more: str, is_derived: bool) -> None:
        path = tmp_path / "c.yaml"
        path.write_text(f"{CONFIG}{more}\n")
        options = Options(host="127.0.0.1", config=path, database="memory:")
        env: dict[str, str] = {}
        options.hand_over(env)
        secrets = {build(options, env)[1].settings.page_secret for _ in range(2)}
        assert len(secrets) == 1
        (secret,) = secrets
        assert len(secret or "") >= 32
        assert (secret == page_secret_from(MASTER)) == is_derived
        assert (secret == OWN) == (OWN in more)
        another: dict[str, str] = {}
        options.hand_over(another)
        is_random = build(options, another)[1].settings.page_secret != secret
        assert is_random == (not more)

    @pytest.mark.long
    async def test_whichever_answers_knows_the_session(self, tmp_path: Path) -> None:
        """Without a master key, of which a secret could be made."""
        async with database_url() as url, site(tmp_path, url, SWIFT) as here:
            replica = await here.replica(*SERVE, "--workers", "2")
            await replica.served_by(2)
            async with visiting(replica, "any word") as visitor:
                cookie = next(each.value for each in visitor.http.cookies.jar if each.name == COOKIE)

            async def asked_all() -> bool:
                async with httpx2.AsyncClient() as http:
                    sent = {"cookie": f"{COOKIE}={cookie}"}
                    answer = await http.get(f"{replica.address}/ui/batches", headers=sent)
                assert (answer.status_code, Page(answer).heading) == (200, "Batches")
                return len(answered(replica)) == 2

            await replica.eventually(asked_all)
            assert "any word" not in replica.process.log.read_text()


def answered(replica: Replica) -> set[int]:
    """The workers that have shown the list."""
    return {line["worker"] for line in replica.log() if line.get("path") == "/ui/batches"}
