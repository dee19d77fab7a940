"""Where lines of what was sent for a shard stand in the file."""

from __future__ import annotations

from itertools import islice

from litebatch_asgi.jsonl.line_set import LineSet
from litebatch_asgi.models import Shard


def file_line(shard: Shard, line: int) -> int | None:
    """The line of the file that is this one of what was sent for the shard, both from 1; None: there is none.

    Of a derived shard only requests are sent. Where blank lines are among those of its tile, the line that is
    told stands before the right one, by as many as are before that.
    """
    if line < 1:
        return None
    if shard.lines_of_root is None:
        return shard.first_line + line
    requests = LineSet(len(shard.lines_of_root) * 8, shard.lines_of_root)
    index = next(islice(requests, line - 1, None), None)
    return shard.first_line + index + 1 if index is not None else None
