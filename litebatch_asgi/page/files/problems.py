"""What is wrong with the lines of a file."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl import MOST_PROBLEMS
from litebatch_asgi.page.parts import Column, table, told

_COLUMNS = (Column("Line", is_number=True), "Code", "Message", "Param")


def problem_table(problems: Sequence[Problem]) -> Node:
    """All problems that were found, by line."""
    return [
        h.p(role="alert")[_summary(len(problems))],
        table("Problems of the file, by line", _COLUMNS, map(_row, problems)),
    ]


def _summary(count: int) -> str:
    if count == 1:
        return "The file was not taken: there is a problem in it."
    more = " The check stopped there." if count >= MOST_PROBLEMS else ""
    return f"The file was not taken: there are {count:,} problems in it.{more}"


def _row(problem: Problem) -> list[Node]:
    return [
        f"{problem.line:,}" if problem.line is not None else "",
        h.span(".mono")[problem.code],
        told(problem.message, 1000),
        h.span(".mono")[problem.param] if problem.param else None,
    ]
