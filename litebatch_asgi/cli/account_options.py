"""Options that keys, teams and users have alike when they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any

import typer


def _number(name: str, of_what: str) -> object:
    return Annotated[int | None, typer.Option(f"--{name}", metavar="N", min=0, help=of_what)]


def _text(name: str, metavar: str, of_what: str) -> object:
    return Annotated[str | None, typer.Option(f"--{name}", metavar=metavar, help=of_what)]


LIMITS: Mapping[str, object] = {
    "max_batch_requests": _number("max-batch-requests", "Requests in one file."),
    "max_open_batches": _number("max-open-batches", "Batches that have not ended."),
    "max_enqueued_requests": _number("max-enqueued-requests", "Requests of open batches."),
    "max_enqueued_tokens": _number("max-enqueued-tokens", "Tokens of open batches."),
    "max_file_bytes": _number("max-file-bytes", "Bytes of one file."),
    "max_files": _number("max-files", "Uploaded files that are not deleted."),
    "max_budget": _text("max-budget", "USD", "What batches may cost; others are refused."),
    "soft_budget": _text("soft-budget", "USD", "What is told of when they cost more."),
    "budget_duration": _text("budget-duration", "TIME", "After which budgets begin anew, such as 30d."),
}
"""the fields of a body, and their options"""


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each limit, in the place of its parameter `limits`, a mapping."""

    def run(**given: Any) -> None:
        command(limits={name: given.pop(name) for name in LIMITS}, **given)

    parameters: list[Parameter] = []
    for each in signature(command, eval_str=True).parameters.values():
        parameters += _options() if each.name == "limits" else [each]
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    vars(run)["__signature__"] = signature(command).replace(parameters=parameters)
    return run


def _options() -> list[Parameter]:
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in LIMITS.items()
    ]
