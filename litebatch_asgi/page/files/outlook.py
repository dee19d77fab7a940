"""What would become of a batch: figures, what it would wait for, and limits that are in its way."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.models import DryRun
from litebatch_asgi.page.parts import Column, amount, chip, facts, table, told
from litebatch_asgi.wire import DryRunObject, dry_run_object
from litebatch_asgi.wire.dry_run import DeploymentOutlookObject

_COLUMNS = (
    "Deployment",
    "Lane",
    "Now",
    "In the way",
    Column("Estimated cost", is_number=True),
    "Prices from",
)


def outlook(told: DryRun, *, for_admin: bool) -> Node:
    """A dry run, as its visitor may see it."""
    seen = dry_run_object(told, for_admin=for_admin)
    return [_limits(seen), facts(_figures(seen)), _note(seen), _start(seen), _deployments(seen, for_admin)]


def _figures(seen: DryRunObject) -> list[tuple[str, Node]]:
    highest = seen.highest_output_tokens
    return [
        ("Estimated cost", h.strong[amount(seen.estimated_cost)]),
        ("At most", amount(seen.highest_cost) if highest is not None else "a request sets no limit"),
        ("Prices from", seen.price_source),
        ("Input tokens", f"{seen.input_tokens:,}"),
        ("Output tokens, estimated", f"{seen.estimated_output_tokens:,}"),
        ("Output tokens at most", f"{highest:,}" if highest is not None else "a request sets no limit"),
    ]


def _note(seen: DryRunObject) -> Node:
    return h.p(".dim")[f"{seen.note}."] if seen.note is not None else None


def _limits(seen: DryRunObject) -> Node:
    if not seen.would_exceed:
        return None
    return h.div(role="alert")[
        h.strong["It would be refused now."],
        h.ul[(h.li[each.message] for each in seen.would_exceed)],
    ]


def _start(seen: DryRunObject) -> Node:
    free, every = sum(each.takes_it_now for each in seen.deployments), len(seen.deployments)
    of = f"{free} of {every} deployments" if every != 1 else f"{free or 'The'} deployment"
    if seen.waiting_for is None:
        return h.p[f"{of} would take it now."]
    return h.p[f"It would wait. {seen.waiting_for.message}"]


def _deployments(seen: DryRunObject, for_admin: bool) -> Node:
    if not for_admin:
        return None
    return table("Deployments of the model", _COLUMNS, map(_row, seen.deployments))


def _row(each: DeploymentOutlookObject) -> list[Node]:
    return [
        each.id or "",
        str(each.lane),
        chip("ready", "takes it") if each.takes_it_now else chip("waiting", "waits"),
        told(_in_the_way(each)),
        amount(each.estimated_cost),
        each.price_source,
    ]


def _in_the_way(each: DeploymentOutlookObject) -> str:
    wait = each.waiting_for
    if wait is None:
        return ""
    answered = (str(wait.status) if wait.status is not None else None, wait.said)
    return ", ".join(part for part in (wait.reason.replace("_", " "), *answered) if part)
