"""What is waited for, in words: with the names of deployments for admins alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from litebatch_asgi.models import DeploymentWait, WaitingFor, WaitReason

_TOLD: Mapping[str, str] = MappingProxyType(
    {
        WaitReason.COPIES: "No deployment can use the file yet: its copies are being made or checked.",
        WaitReason.BUSY: (
            "Every deployment of the model asks to wait or has no room: the batch goes to the first one that "
            "takes it"
        ),
        WaitReason.KEY: (
            "No provider accepts the gateway's key: its operator has to put that right, then the batch goes "
            "on; they are asked again"
        ),
        WaitReason.UNREACHABLE: (
            "The deployments of the model cannot be reached or answer with errors: they are asked again"
        ),
        WaitReason.COOLDOWN: "No deployment of the model takes batches now: they rest, and are asked again",
        WaitReason.TOKENS: (
            "The batches that are open at the deployments of the model leave no room for its tokens: it goes "
            "to the first one that has room"
        ),
        WaitReason.DRAINED: "The gateway's operator keeps batches away from every deployment of the model.",
        WaitReason.UNCLEAR: (
            "It is not clear whether a deployment has the batch: it is searched for there before another one "
            "gets it, so that nothing runs twice"
        ),
        WaitReason.GONE: "The deployment that has the batch is not in the gateway's configuration any more.",
        WaitReason.RESULTS: "The provider has not given all results yet: they are read again.",
        WaitReason.CANARY: "Some of its requests are run first, and the others wait for how these end",
    }
)
_IN_SHORT: Mapping[str, str] = MappingProxyType(
    {
        WaitReason.COPIES: "copies of its file",
        WaitReason.BUSY: "a deployment with room",
        WaitReason.KEY: "a key that a provider accepts",
        WaitReason.UNREACHABLE: "a deployment that answers",
        WaitReason.COOLDOWN: "deployments that rest",
        WaitReason.TOKENS: "room for its tokens",
        WaitReason.DRAINED: "deployments that are drained",
        WaitReason.UNCLEAR: "a clear answer",
        WaitReason.GONE: "a deployment that is not configured",
        WaitReason.RESULTS: "the rest of its results",
        WaitReason.CANARY: "its canary",
    }
)
_WHEN: Mapping[str, str] = MappingProxyType(
    dict.fromkeys((WaitReason.UNCLEAR, WaitReason.CANARY), "at the longest until")
)
"""what `until` means, where it is not when the next one is asked"""
_AT_DEPLOYMENT: Mapping[str, str] = MappingProxyType(
    {
        "key_rejected": "does not accept the gateway's key",
        "busy": "asks to wait",
        "unreachable": "answers with an error of its own",
        "refused": "refuses",
        "full": "holds as many files as it may",
        "batches_vanished": "does not know several batches any more, as if its key were of another project",
        "copy_unusable": "cannot use its copy of the file",
        "copy_pending": "checks its copy of the file",
        "copy_missing": "has no copy of the file yet",
        "copy_failed": "does not take the file",
        "enqueued_tokens": "has no room for its tokens",
        "drained": "is drained: an operator keeps new batches away",
        "moved_away": "is what an operator has moved it away from",
        "other_lane": "is not for batches of this kind",
        "answer_unclear": "may or may not have it",
        "candidate_open": "has a batch that may be this one, and tells only once that has ended",
        "deployment_gone": "is in no configuration",
        "results_incomplete": "has not given all results",
    }
)
_WITHOUT_STATUS: Mapping[str, str] = MappingProxyType(
    {"unreachable": "cannot be reached or does not answer", "busy": "has no room"}
)


_REASONS = f"A word for programs: {', '.join(f'`{reason.value}`' for reason in WaitReason)}; more may come."


class DeploymentWaitObject(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way at one deployment."""

    reason: Annotated[
        str,
        Meta(description="Such as `busy`, `key_rejected`, `unreachable`, `copy_pending`, `copy_missing`."),
    ]
    status: Annotated[int | None, Meta(description="The HTTP status that it answered last.")]
    said: Annotated[
        str | None, Meta(description="Why it does not take the file, or has no room. For admins alone.")
    ]
    until: Annotated[int | None, Meta(description="When it is asked again, in Unix seconds.")]


class WaitingForObject(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch or a file waits for."""

    reason: Annotated[str, Meta(description=_REASONS)]
    message: Annotated[str, Meta(description="A sentence for people.")]
    until: Annotated[
        int | None, Meta(description="When it is looked at again, in Unix seconds, if that is known.")
    ]
    deployments: Annotated[
        dict[str, DeploymentWaitObject] | msgspec.UnsetType,
        Meta(description="What stands in the way where, by deployment id. For admins alone."),
    ] = msgspec.UNSET


def waiting_for_object(waiting: WaitingFor, *, for_admin: bool) -> WaitingForObject:
    """What is waited for, as clients see it."""
    if not for_admin:
        return WaitingForObject(
            reason=waiting.reason,
            message=told_to_owner(waiting.reason, waiting.until),
            until=_unix(waiting.until),
        )
    return WaitingForObject(
        reason=waiting.reason,
        message=told_to_admin(waiting),
        until=_unix(waiting.until),
        deployments={where: deployment_wait_object(each) for where, each in waiting.deployments.items()},
    )


def deployment_wait_object(wait: DeploymentWait) -> DeploymentWaitObject:
    """What stands in the way at one deployment, as admins see it."""
    return DeploymentWaitObject(
        reason=wait.reason, status=wait.status, said=wait.said, until=_unix(wait.until)
    )


def told_to_owner(reason: str, until: datetime | None = None) -> str:
    """A sentence without the name of a deployment."""
    told = _TOLD.get(reason, "It is looked at again")
    if told.endswith("."):
        return told
    return f"{told}." if until is None else f"{told}, {_WHEN.get(reason, 'next at')} {_time(until)}."


def told_in_short(reason: str) -> str:
    """Some words without the name of a deployment, for a place in a list."""
    return _IN_SHORT.get(reason, "another look")


def told_to_admin(waiting: WaitingFor) -> str:
    """The same, with what each deployment answered, and what the batch needs."""
    told = told_to_owner(waiting.reason, waiting.until)
    there = [f"{where}: {_at(each, waiting)}" for where, each in sorted(waiting.deployments.items())]
    if waiting.requests is not None:
        there.append(f"this batch needs room for {_amount(waiting.requests, 'request')}{_tokens(waiting)}")
    return f"{told} ({'; '.join(there)})" if there else told


def _at(wait: DeploymentWait, waiting: WaitingFor) -> str:
    """Such as `429, asks to wait 40 s, asked again at 12:00:40 UTC`."""
    words = _AT_DEPLOYMENT.get(wait.reason, "refuses")
    if wait.status is None:
        words = _WITHOUT_STATUS.get(wait.reason, words)
    if wait.reason == "busy":
        words = _busy(wait, words)
    elif wait.limit is not None:
        words = f"has {_amount(wait.used or 0, 'token')} open, and takes {_amount(wait.limit, 'token')}"
    elif wait.said is not None:
        words = f'{words}: "{wait.said}"'
    answered = " ".join(str(each) for each in (wait.status, wait.code) if each is not None)
    parts = [part for part in (answered, words) if part]
    if wait.until is not None and (waiting.until is None or _time(wait.until) != _time(waiting.until)):
        parts.append(f"asked again at {_time(wait.until)}")
    return ", ".join(parts)


def _busy(wait: DeploymentWait, words: str) -> str:
    if wait.said is not None:
        words = f'has no room, for "{wait.said}"'
    asked = "" if wait.retry_after is None else f"{wait.retry_after:.0f} s"
    if not asked:
        return words
    return f"{words} {asked}" if words == _AT_DEPLOYMENT["busy"] else f"{words}, asks to wait {asked}"


def _tokens(waiting: WaitingFor) -> str:
    return f" and about {_amount(waiting.tokens, 'token')}" if waiting.tokens else ""


def _amount(count: int, what: str) -> str:
    """Such as `1 request`, `300 k tokens`, `1.9 M tokens`."""
    for unit, name in ((1_000_000, " M"), (10_000, " k")):
        if count >= unit:
            per = 1_000_000 if name == " M" else 1_000
            return f"{count / per:.1f}".removesuffix(".0") + f"{name} {what}s"
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
