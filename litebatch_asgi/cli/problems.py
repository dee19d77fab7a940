"""Problems of a file of requests, each with its line and a mark under the place that is meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from litebatch_asgi.cli.figures import counted
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.telling import visible_in_line
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl import MOST_PROBLEMS
from litebatch_asgi.jsonl.frames import LineFramer
from litebatch_asgi.jsonl.scan import Members, scan_object
from litebatch_asgi.jsonl.shape import REQUEST_KEYS
from litebatch_asgi.models import Settings

COLUMNS = ("LINE", "PROBLEM")
_AT_BYTE = re.compile(r" at byte (\d+)")
_BLOCK = 1 << 20
_BESIDE_TEXT = 8
"""cells of a table that are not for the text: numbers of up to six digits, and space"""
_MOST_BYTES = 1024
"""of a line, on either side of a place"""


def print_problems(path: Path, problems: Sequence[Problem], output: Output | None) -> None:
    """Print what is wrong with a file, in a table with the place in each line."""
    width = max(Console().width - _BESIDE_TEXT, 16)
    excerpts = excerpts_of(path, problems, width)
    print_rows(COLUMNS, (_row(each, excerpts.get(each)) for each in problems), output)


def how_many(problems: Sequence[Problem]) -> str:
    """How many there are, and whether there may be more."""
    more = ", where the check stopped" if len(problems) >= MOST_PROBLEMS else ""
    return counted(len(problems), "problem") + more


def excerpts_of(path: Path, problems: Sequence[Problem], width: int) -> Mapping[Problem, str]:
    """Two lines for each problem whose place is found: what stands there, and a caret below it.

    None of what is no file, such as a pipe: it cannot be read again.
    """
    if not path.is_file():
        return {}
    of_line: dict[int, list[Problem]] = {}
    for problem in problems:
        if problem.line is not None:
            of_line.setdefault(problem.line, []).append(problem)
    found: dict[Problem, str] = {}
    for number, line in _lines(path, of_line.keys()):
        for problem in of_line[number]:
            place = place_of(line, problem)
            if place is not None:
                found[problem] = excerpt(line, place, width)
    return found


def place_of(line: bytes, problem: Problem) -> int | None:
    """Where in a line a problem is, in bytes; where something is missing, where it belongs. None: unknown."""
    if problem.param is None:
        return _place_of_grammar(line, problem.message) if problem.code == "invalid_json_line" else None
    try:
        members: Members | None = scan_object(line, REQUEST_KEYS)
    except ValueError:
        return None
    place = len(line) - len(line.lstrip())
    for name in problem.param.split("."):
        member = members.first.get(name) if members is not None else None
        if member is None:
            break
        of_key = problem.code == "duplicate_parameter" or members is None or name in members.escaped
        place = member.key_start if of_key else member.start
        members = member.inner
    return place


def excerpt(line: bytes, place: int, width: int) -> str:
    """What stands around a place, in at most `width` cells, and a caret below the place."""
    before = visible_in_line(line[max(place - _MOST_BYTES, 0) : place].decode(errors="replace"))
    after = visible_in_line(line[place : place + _MOST_BYTES].decode(errors="replace"))
    most = width - min(cell_len(after), width // 2)
    if place > _MOST_BYTES or cell_len(before) > most:
        before = f"…{_ending(before, most - 1)}"
    room = width - cell_len(before)
    if place + _MOST_BYTES < len(line) or cell_len(after) > room:
        after = f"{set_cell_size(after, room - 1).rstrip()}…"
    return f"{before}{after}\n{' ' * cell_len(before)}^"


def _ending(text: str, most: int) -> str:
    """The end of a text, in at most so many cells."""
    start = len(text)
    while start and (most := most - cell_len(text[start - 1])) >= 0:
        start -= 1
    return text[start:]


def _place_of_grammar(line: bytes, message: str) -> int:
    told = _AT_BYTE.search(message)
    if told is not None:
        return min(int(told[1]), len(line))
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(line.rstrip()) if "truncated" in message else 0


def _lines(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The lines with these numbers, as far as they are short enough to be held and still there."""
    left, number = set(wanted), 0
    framer = LineFramer(Settings().max_line_bytes)
    with path.open("rb") as file:
        while left:
            block = file.read(_BLOCK)
            for run in framer.feed(block) if block else framer.finish():
                for line in run.lines() if run.text is not None else [None]:
                    number += 1
                    if number in left and line is not None:
                        yield number, line.rstrip(b"\n")
                    left.discard(number)
            if not block:
                return


def _row(problem: Problem, excerpt: str | None) -> Row:
    line = "" if problem.line is None else str(problem.line)
    told = visible_in_line(problem.message)
    return Row(
        cells=(line or "-", told if excerpt is None else f"{told}\n{excerpt}"),
        plain=(line, problem.code, problem.param or "", problem.message),
        object=problem,
    )
