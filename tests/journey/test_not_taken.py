"""Why no deployment took a file: what kind of refusal it was, and whether trying again helps."""

from __future__ import annotations

import re
from typing import Any

import pytest

from litebatch_asgi.simulator import Fault
from tests.harness import InProcess, lines

REJECTED = {"status": 401, "message": "Incorrect API key provided: sk-east-secret."}
BUSY = {"status": 429, "headers": {"retry-after": "40"}}
GONE = {"status": 404}
BROKEN = {"status": 503, "headers": {"retry-after": "20"}}
FULL = {"status": 400, "code": "quotaExceeded", "message": "The quota for files is reached."}


async def refused(gateway: InProcess, east: dict[str, Any], west: dict[str, Any]) -> Any:
    """The answer to an upload that the deployments refuse in these ways."""
    for name, how in (("east", east), ("west", west)):
        gateway.simulator.add_fault(Fault(account=name, call="upload_file", times=None, **how))
    async with gateway.http() as http:
        return await http.post("/files", files={"file": ("in.jsonl", lines())}, data={"purpose": "batch"})


@pytest.mark.parametrize(
    ("east", "west", "status", "code", "says", "wait"),
    [
        (REJECTED, REJECTED | {"status": 403}, 503, "provider_key_rejected", "operator", None),
        (BUSY, BUSY | {"headers": {"retry-after": "30"}}, 429, "deployments_busy", "in 30 s", "30"),
        (BUSY, REJECTED, 503, "no_deployment_took_file", "in 40 s", "40"),
        (BROKEN, BROKEN, 503, "deployments_unreachable", "answered 503.*in 20 s", "20"),
        (FULL, FULL, 503, "deployments_full", "expired or were deleted", None),
        (REJECTED, GONE, 503, "no_deployment_took_file", r"\(401\); .*answered 404.*operator", None),
    ],
    ids=["key", "busy", "busy and key", "broken", "full", "key and address"],
)
async def test_each_kind_has_a_code_of_its_own(
    gateway: InProcess,
    caplog: pytest.LogCaptureFixture,
    east: dict[str, Any],
    west: dict[str, Any],
    status: int,
    code: str,
    says: str,
    wait: str | None,
) -> None:
    """Without a time to wait for the stock clients are told not to try again by themselves."""
    answer = await refused(gateway, east, west)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert re.search(says, error["message"])
    assert not re.search("east|west|sk-|127", error["message"])
    assert answer.headers["retry-after"] == (wait or "60")
    assert answer.headers.get("x-should-retry") == (None if wait else "false")
    (told,) = [record for record in caplog.records if "no deployment took" in record.message]
    assert f"east: the provider answered {east['status']}" in told.message
    assert f"west: the provider answered {west['status']}" in told.message


async def test_a_deployment_that_cannot_be_reached_is_told(gateway: InProcess) -> None:
    dropped = {"drop": True}
    answer = await refused(gateway, dropped, dropped)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "deployments_unreachable")
    assert "cannot be reached or does not answer. Try the upload again in 10 s." in error["message"]


@pytest.mark.parametrize(("given", "status"), [(400, 400), (413, 413), (422, 400)])
async def test_wrong_content_is_told_in_the_providers_words(
    gateway: InProcess, caplog: pytest.LogCaptureFixture, given: int, status: int
) -> None:
    """Without its names, and never as something that waiting helps against."""
    wrong = {"status": given, "message": "Line 3 of gpt-4o-mini is wrong, see https://east.example.com."}
    answer = await refused(gateway, wrong, BUSY)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == "file"
    assert error["message"].startswith("The provider refused the content of the file: Line 3 of ")
    assert error["message"].endswith("Change the file before another try.")
    assert not re.search("east|mini", error["message"])
    (told,) = [record.message for record in caplog.records if "no deployment took" in record.message]
    assert f"({given}); west: the provider answered 429" in told
