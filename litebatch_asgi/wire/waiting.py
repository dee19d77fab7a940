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
        WaitReason.BUSY: "Every deployment of the model asks to wait or has no room.",
        WaitReason.KEY: "No provider accepts the gateway's key: its operator has to put that right.",
        WaitReason.UNREACHABLE: "The deployments of the model cannot be reached or answer with errors.",
        WaitReason.COOLDOWN: "Every deployment of the model has refused the batch: they are asked again.",
        WaitReason.UNCLEAR: "A deployment gave no clear answer: the batch is searched for there.",
        WaitReason.GONE: "The deployment that has the batch is not in the gateway's configuration any more.",
        WaitReason.RESULTS: "The provider has not given all results yet: they are read again.",
    }
)
_AT_DEPLOYMENT: Mapping[str, str] = MappingProxyType(
    {
        "key_rejected": "does not accept the key",
        "busy": "asks to wait or has no room",
        "unreachable": "cannot be reached or answers with an error of its own",
        "copy_unusable": "cannot use its copy",
        "copy_pending": "checks its copy",
        "copy_missing": "has no copy yet",
        "copy_failed": "does not take the file",
        "answer_unclear": "may or may not have it",
        "deployment_gone": "is in no configuration",
        "results_incomplete": "has not given all results",
    }
)


_REASONS = f"A word for programs: {', '.join(f'`{reason.value}`' for reason in WaitReason)}; more may come."


class DeploymentWaitObject(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way at one deployment."""

    reason: Annotated[
        str,
        Meta(description="Such as `busy`, `key_rejected`, `unreachable`, `copy_pending`, `copy_missing`."),
    ]
    status: Annotated[int | None, Meta(description="The HTTP status that it answered last.")]
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
            reason=waiting.reason, message=told_to_owner(waiting.reason), until=_unix(waiting.until)
        )
    return WaitingForObject(
        reason=waiting.reason,
        message=told_to_admin(waiting),
        until=_unix(waiting.until),
        deployments={where: deployment_wait_object(each) for where, each in waiting.deployments.items()},
    )


def deployment_wait_object(wait: DeploymentWait) -> DeploymentWaitObject:
    """What stands in the way at one deployment, as admins see it."""
    return DeploymentWaitObject(reason=wait.reason, status=wait.status, until=_unix(wait.until))


def told_to_owner(reason: str) -> str:
    """A sentence without the name of a deployment."""
    return _TOLD.get(reason, "It is looked at again.")


def told_to_admin(waiting: WaitingFor) -> str:
    """The same, with what each deployment answered."""
    there = "; ".join(f"{where}: {_at(each)}" for where, each in sorted(waiting.deployments.items()))
    return f"{told_to_owner(waiting.reason)} ({there})" if there else told_to_owner(waiting.reason)


def _at(wait: DeploymentWait) -> str:
    status = "" if wait.status is None else f" ({wait.status})"
    until = "" if wait.until is None else f", asked again at {wait.until:%H:%M:%S} UTC"
    return f"{_AT_DEPLOYMENT.get(wait.reason, 'refuses')}{status}{until}"


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
