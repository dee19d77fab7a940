"""The order in which a provider runs the lines of a batch: those that are done lie evenly over the file."""

from __future__ import annotations


def running_order(lines: int) -> list[int]:
    """The indexes of so many lines, first the one that is run first: of half of them every other one."""
    order = [0]
    while len(order) < lines:
        order = [2 * index + 1 for index in order] + [2 * index for index in order]
    return [index for index in order if index < lines]


def lines_done(lines: int, share: float) -> int:
    """How many of so many lines a share of them is, none being done in part."""
    return min(lines, int(lines * share + 1e-9))
