"""Google's access tokens: fetched off the event loop, kept, renewed within an upload, and hidden."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import msgspec
import pytest
from blockbuster import blockbuster_ctx

from litebatch_asgi.errors import ConfigError, DeploymentRefused
from litebatch_asgi.providers._tokens import KeptToken
from litebatch_asgi.providers.vertex import credentials
from litebatch_asgi.simulator import Simulator, SimulatorSettings

from .vertex import JOB, JOB_NAME, QUARTER, SUBMISSION, google_refusal, service_account, vertex, vertex_for
from .wire import Answer, RawServer, answer, raw_server, upload_of

CONTENT = b"x" * (2 * QUARTER + 10)


def token(value: str, seconds: int = 3600) -> Answer:
    return answer({"access_token": value, "expires_in": seconds, "token_type": "Bearer"})


def sent(server: RawServer) -> list[str]:
    """What the requests proved themselves with."""
    return [each.headers["authorization"].removeprefix("Bearer ") for each in server.received]


@pytest.fixture
async def google() -> AsyncGenerator[RawServer]:
    """Where tokens come from."""
    async with raw_server() as server:
        yield server


@pytest.fixture
def account(google: RawServer) -> str:
    return service_account(f"{google.root}/token")


async def test_a_token_is_fetched_once_off_the_event_loop_and_sent_with_each_request(
    google: RawServer, account: str
) -> None:
    google.script(token("token-one-0123456789"))
    async with (
        raw_server(*[answer(JOB)] * 5) as server,
        vertex_for(server.root, vertex_credentials=account) as adapter,
    ):
        with blockbuster_ctx(["litebatch_asgi", "google", "requests"]):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(adapter.retrieve_batch, JOB_NAME)
            await adapter.retrieve_batch(JOB_NAME)
    assert sent(server) == ["token-one-0123456789"] * 5
    [asked] = google.received
    assert parse_qs(asked.body.decode())["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


async def test_a_token_is_renewed_before_it_ends_also_within_an_upload(
    google: RawServer, account: str
) -> None:
    google.script(token("token-one", 200), token("token-two", 200), token("token-three"))
    answers = (google_refusal(404, "NOT_FOUND"),)
    async with (
        raw_server(*answers) as server,
        vertex_for(server.root, vertex_credentials=account) as adapter,
    ):
        with pytest.raises(DeploymentRefused):
            await adapter.upload_file(upload_of(CONTENT))
        server.script(answer(JOB), answer(JOB), answer(JOB))
        for _ in range(3):
            await adapter.retrieve_batch(JOB_NAME)
    assert sent(server) == ["token-one", "token-two", "token-three", "token-three"]


async def test_a_token_that_cannot_be_renewed_is_used_as_long_as_it_is_good(
    google: RawServer, account: str
) -> None:
    google.script(token("token-one", 200), answer({"error": "invalid_grant"}, status=400))
    async with (
        raw_server(answer(JOB), answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=account) as adapter,
    ):
        for _ in range(2):
            await adapter.retrieve_batch(JOB_NAME)
    assert sent(server) == ["token-one"] * 2
    assert len(google.received) == 2


@pytest.mark.parametrize("call", ["read", "send"])
async def test_a_token_that_is_refused_is_renewed_once(google: RawServer, account: str, call: str) -> None:
    google.script(token("token-one"), token("token-two"), token("token-three"), token("token-four"))
    refused = google_refusal(401, "UNAUTHENTICATED", "The token token-one has ended.")
    async with (
        raw_server(refused, answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=account) as adapter,
    ):

        async def calls() -> None:
            if call == "read":
                await adapter.retrieve_batch(JOB_NAME)
            else:
                await adapter.create_batch(SUBMISSION)

        await calls()
        assert sent(server) == ["token-one", "token-two"]
        server.script(refused, google_refusal(401, "UNAUTHENTICATED", "token-three is no good"))
        with pytest.raises(DeploymentRefused) as caught:
            await calls()
    assert sent(server)[2:] == ["token-two", "token-three"]
    assert caught.value.status == 401
    assert "[hidden] is no good" in caught.value.message


async def test_tokens_that_end_within_an_upload_are_renewed_and_nothing_is_lost() -> None:
    """Each chunk asks for a token; one that Google ended early costs one more request."""
    simulator = Simulator(settings=SimulatorSettings(flavour="vertex"))
    async with simulator.running() as address:
        given = json.dumps(await simulator.service_account(address, "east"))
        async with vertex_for(f"{address}/east", vertex_credentials=given) as adapter:
            lose = iter([False, True, True])

            async def content() -> AsyncIterator[bytes]:
                for start in range(0, len(CONTENT), QUARTER):
                    if next(lose):
                        simulator.account("east").tokens.expire_all()
                    yield CONTENT[start : start + QUARTER]

            file = await adapter.upload_file(msgspec.structs.replace(upload_of(CONTENT), content=content))
            async with adapter.stream_file(file.id) as stream:
                assert b"".join([block async for block in stream.blocks]) == CONTENT
        assert simulator.journal.counts()["issue_token"] == 3


async def test_a_refusal_of_google_is_one_of_the_deployment_and_shows_no_secret(
    google: RawServer, account: str
) -> None:
    secret = json.loads(account)["private_key_id"]
    google.script(
        answer({"error": "invalid_grant", "error_description": f"Invalid JWT: {secret}"}, status=400)
    )
    async with raw_server() as server, vertex_for(server.root, vertex_credentials=account) as adapter:
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.retrieve_batch(JOB_NAME)
    assert caught.value.status == 401
    assert caught.value.message.startswith("Google gives no token: ")
    assert "Invalid JWT: [hidden]" in caught.value.message
    assert server.received == []


async def test_a_google_that_is_not_there_refuses_as_well() -> None:
    given = service_account("http://127.0.0.1:9/token")
    async with raw_server() as server, vertex_for(server.root, vertex_credentials=given) as adapter:
        with pytest.raises(DeploymentRefused, match="Google gives no token: ") as caught:
            await adapter.retrieve_batch(JOB_NAME)
    assert caught.value.status is None


async def test_a_file_of_credentials_is_read_at_first_use(
    google: RawServer, account: str, tmp_path: Path
) -> None:
    file = tmp_path / "account.json"
    google.script(token("token-one"))
    async with (
        raw_server(answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=str(file)) as adapter,
    ):
        with pytest.raises(DeploymentRefused, match=r"account\.json.*No such file"):
            await adapter.retrieve_batch(JOB_NAME)
        await anyio.Path(file).write_text(account)
        await adapter.retrieve_batch(JOB_NAME)
    assert sent(server) == ["token-one"]


async def test_credentials_of_a_user_do_as_well(google: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `gcloud auth application-default login` writes them."""
    google.script(token("token-one"))
    given = {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "secret-0123456789",
        "refresh_token": "refresh-0123456789",
    }
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{google.root}/token")
    async with (
        raw_server(answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=json.dumps(given)) as adapter,
    ):
        await adapter.retrieve_batch(JOB_NAME)
    assert parse_qs(google.received[0].body.decode())["refresh_token"] == ["refresh-0123456789"]


async def test_a_federated_identity_does_as_well(google: RawServer, tmp_path: Path) -> None:
    google.script(token("token-one"))
    subject = tmp_path / "subject"
    await anyio.Path(subject).write_text("subject-token")
    given = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.root}/token",
        "credential_source": {"file": str(subject)},
    }
    async with (
        raw_server(answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=json.dumps(given)) as adapter,
    ):
        await adapter.retrieve_batch(JOB_NAME)
    assert parse_qs(google.received[0].body.decode())["subject_token"] == ["subject-token"]


async def test_without_credentials_googles_defaults_are_used(
    google: RawServer, account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.script(token("token-one"))
    file = tmp_path / "default.json"
    await anyio.Path(file).write_text(account)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    async with (
        raw_server(answer(JOB)) as server,
        vertex_for(server.root, vertex_credentials=None) as adapter,
    ):
        await adapter.retrieve_batch(JOB_NAME)
    assert sent(server) == ["token-one"]


async def test_a_token_is_never_fetched_twice_at_once_also_if_a_caller_gives_up() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    fetched = 0

    def fetch() -> tuple[str, float]:
        nonlocal fetched
        fetched += 1
        begun.release()
        assert go_on.wait(30)
        return "token", 1e12

    kept = KeptToken(fetch, renew_seconds=1, give_up_seconds=30)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.value)
        assert await anyio.to_thread.run_sync(lambda: begun.acquire(timeout=30))
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(kept.value)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert await kept.value() == "token"
    assert fetched == 1


async def test_a_token_that_never_comes_is_not_waited_for_and_holds_one_thread() -> None:
    """Which the end of the process does not wait for."""
    go_on = threading.Event()
    before = set(threading.enumerate())

    def fetch() -> tuple[str, float]:
        assert go_on.wait(60)
        return "token", 1e12

    kept = KeptToken(fetch, renew_seconds=1, give_up_seconds=0.05)
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(_refused, kept)
    [thread] = set(threading.enumerate()) - before
    assert thread.daemon
    go_on.set()
    await anyio.to_thread.run_sync(thread.join)
    assert await kept.value() == "token"


async def _refused(kept: KeptToken) -> None:
    with pytest.raises(DeploymentRefused, match=r"no access token came within 0\.05 s"):
        await kept.value()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{torn", "must be a file of Google's credentials"),
        ("{}", "must have a `type` among service_account, .*; it is 'None'"),
        ('{"type": "magic"}', "it is 'magic'"),
    ],
)
def test_a_text_that_holds_no_credentials_is_told(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vertex("http://localhost:1", vertex_credentials=given)


def test_a_missing_google_auth_is_told_with_what_installs_it_unless_a_header_does_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "_is_installed", lambda: False)
    with pytest.raises(ConfigError, match=r"pip install 'litebatch-asgi\[vertex\]'"):
        vertex("http://localhost:1", vertex_credentials=None)
    assert vertex("http://localhost:1").min_poll_seconds == 30.0
