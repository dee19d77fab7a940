"""What is waited for, in the words that owners and admins read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from litebatch_asgi.models import DeploymentWait, WaitingFor, WaitReason
from litebatch_asgi.wire.waiting import told_to_admin, told_to_owner

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_what_each_deployment_answered_and_what_the_batch_needs() -> None:
    waiting = WaitingFor(
        reason="deployments_busy",
        until=NOON,
        requests=1500,
        tokens=300_000,
        deployments={
            "us-east": DeploymentWait(
                reason="busy",
                status=400,
                code="token_limit_exceeded",
                said="Enqueued token limit reached. Limit: 2,000,000 enqueued tokens.",
                until=NOON + timedelta(seconds=5),
            ),
            "eu-general": DeploymentWait(reason="busy", status=429, retry_after=40, until=NOON),
        },
    )
    assert told_to_admin(waiting) == (
        "Every deployment of the model asks to wait or has no room: the batch goes to the first one that "
        "takes it, next at 12:00:00 UTC. (eu-general: 429, asks to wait 40 s; us-east: 400 "
        'token_limit_exceeded, has no room, for "Enqueued token limit reached. Limit: 2,000,000 enqueued '
        'tokens.", asked again at 12:00:05 UTC; this batch needs room for 1500 requests and about 300 k '
        "tokens)"
    )


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        (DeploymentWait(reason="busy"), "has no room"),
        (DeploymentWait(reason="busy", code="x", retry_after=3), "x, has no room, asks to wait 3 s"),
        (
            DeploymentWait(reason="busy", status=429, code="x", said="No.", retry_after=3),
            '429 x, has no room, for "No.", asks to wait 3 s',
        ),
        (DeploymentWait(reason="unreachable"), "cannot be reached or does not answer"),
        (DeploymentWait(reason="unreachable", status=503), "503, answers with an error of its own"),
        (DeploymentWait(reason="key_rejected", status=401), "401, does not accept the gateway's key"),
        (
            DeploymentWait(reason="enqueued_tokens", limit=2_000_000, used=1_500_000),
            "has 1.5 M tokens open, and takes 2 M tokens",
        ),
        (DeploymentWait(reason="drained"), "is drained: an operator keeps new batches away"),
        (DeploymentWait(reason="copy_pending"), "checks its copy of the file"),
        (DeploymentWait(reason="of a newer version", status=418), "418, refuses"),
    ],
)
def test_what_a_deployment_says(wait: DeploymentWait, told: str) -> None:
    waiting = WaitingFor(reason="deployments_cool_down", deployments={"east": wait})
    assert told_to_admin(waiting).endswith(f" (east: {told})")


@pytest.mark.parametrize(
    ("requests", "tokens", "told"),
    [
        (1, 0, "1 request"),
        (9999, 1, "9999 requests and about 1 token"),
        (12_345, 1_900_000, "12.3 k requests and about 1.9 M tokens"),
        (50_000, 9_999_999, "50 k requests and about 10 M tokens"),
    ],
)
def test_what_a_batch_needs(requests: int, tokens: int, told: str) -> None:
    waiting = WaitingFor(reason="deployments_busy", requests=requests, tokens=tokens)
    assert told_to_admin(waiting).endswith(f" (this batch needs room for {told})")


@pytest.mark.parametrize("reason", [*WaitReason, "of a newer version"])
def test_each_reason_is_a_sentence(reason: str) -> None:
    """With the time of the next try where somebody waits for one."""
    for told in (told_to_owner(reason), told_to_owner(reason, NOON)):
        assert told[0].isupper()
        assert told.count(".") == 1
        assert told.endswith(".")
    waits = reason not in (WaitReason.COPIES, WaitReason.DRAINED, WaitReason.GONE, WaitReason.RESULTS)
    assert ("12:00:00 UTC" in told_to_owner(reason, NOON)) == waits
