"""Faults: what goes wrong, where and how often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .course import Course, Share
from .downtime import Downtime
from .execution import RowFaults
from .garbled import Garble
from .objects import BatchProblem, RequestCounts
from .settings import FileStatus

CallName = Literal[
    "upload_file",
    "retrieve_file",
    "list_files",
    "delete_file",
    "stream_file",
    "create_batch",
    "retrieve_batch",
    "list_batches",
    "cancel_batch",
    "start_upload",
    "upload_chunk",
    "delete_batch",
    "issue_token",
    "run_request",
    "list_models",
    "check_health",
    "check_file",
    "validate_batch",
    "start_batch",
    "run_batch",
    "finish_cancel",
]
"""What clients ask for; and, last, what the provider does by itself: see `OF_THE_PROVIDER`."""

SHOWING: frozenset[CallName] = frozenset({"retrieve_file", "list_files", "retrieve_batch", "list_batches"})
OF_THE_PROVIDER: frozenset[CallName] = frozenset(
    {"check_file", "validate_batch", "start_batch", "run_batch", "finish_cancel"}
)
LOOKS_AT_BATCHES: frozenset[CallName] = frozenset({"retrieve_batch", "cancel_batch"})


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong `times` times (None: until it is removed), for the calls that it names.

    Of several armed faults that fit a call, the first added strikes, and only that one.

    Where: `call` and `account` (None: any). `match` is a text that must occur in the object's id, the file's
    name, or a key or value of the batch's metadata. The first `skip` calls that fit pass unharmed. `page` is
    the page of a list, from 1. What the provider does by itself must be named by `call`.

    When, for what clients ask: `early` is before the request's body is read, with nothing known but the path;
    `before` is once the request is understood and before anything is done; `after` is with the work done.

    What, for what clients ask: the call waits for `delay` seconds, or with `stall` until the fault is
    removed; then the connection is cut without an answer (`drop`), or the answer is `status` with `body` and
    `headers`, or else the call goes on as usual. `cut_after` sends so many bytes of the right body and cuts
    the connection, `short_after` ends the body there as if it were whole. `cut_request_after` cuts it once so
    many bytes of the request's body are there, always `early`. A batch that is to `vanish` is in no list, and
    retrieve and cancel answer 404; every answer that is wrong in this way is one of the `times`.

    At Vertex an upload may take several calls: `start_upload`, an `upload_chunk` for each part but the last
    and for each look at how far it is, and `upload_file` for the part that makes the object.

    At inference servers the calls are `run_request`, `list_models` and `check_health`, and `match` must occur
    in the path or in what the request says. `after` is with the request run and its tokens used.

    What the provider does by itself waits for `delay` or `stall` too, a batch until it is cancelled at most:
    `check_file`, `validate_batch`, `start_batch` when a batch is `in_progress` and no line is done yet,
    `run_batch` when the lines are done, and `finish_cancel` when a batch that was cancelled should be so.
    """

    call: CallName | None = None
    account: str | None = None
    match: str | None = None
    model: str | None = None
    """of the batch, at Azure its deployment: for calls about a batch that is there, once it runs"""
    page: int | None = None
    younger_than: float | None = None
    """files: made less than so many seconds ago, by the account's clock"""
    skip: int = 0
    times: int | None = 1
    seconds: float | None = None
    """in force for so long since it was added; None: until it has struck so often"""
    when: Literal["early", "before", "after"] = "before"
    status: int | None = None
    body: dict[str, Any] | str | None = None
    """an object or a text; None: the provider's error object for `status`, `code` and `message`"""
    headers: dict[str, str] = {}
    delay: float = 0.0
    stall: bool = False
    drop: bool = False
    down: Downtime | None = None
    """inference servers: the server goes down, as a process that is killed"""
    cut_after: int | None = None
    short_after: int | None = None
    cut_request_after: int | None = None
    answer_bytes: int | None = None
    """JSON objects: the answer is so many bytes long, by a member `padding`, unless it is longer anyway"""
    chunked: bool = False
    """the answer is sent without `content-length`"""
    answer_rate: float | None = None
    """bytes a second at which the body of the answer is sent, until the fault is removed"""
    request_rate: float | None = None
    """bytes a second at which the request's body is taken, until the fault is removed; always `early`"""
    vanish: bool = False
    garbled: Garble | None = None
    """`retrieve_file`, `list_files`, `retrieve_batch`, `list_batches`: each file or batch that `match` fits
    has a filename, or a value in its metadata, that is no Unicode; answers that show one are the `times`"""
    list_lag: float = 0.0
    """lists: leave out what is younger than so many seconds"""
    list_lag_calls: int = 0
    """lists: leave out what was made since so many calls for this list"""
    hide_newest: int = 0
    """lists: leave out so many of the newest objects"""
    file_status: FileStatus | None = None
    """`upload_file`, `retrieve_file`, not at Vertex: the status that the file has from then on; `check_file`:
    the status that it has after `pending`"""
    code: str | None = None
    """`validate_batch`: the batch fails with this error code, `message` and `param`; `start_batch`,
    `run_batch`: it does if it ends `failed`; with `status`: of the answer"""
    message: str | None = None
    param: str | None = None
    problems: int = 1
    """`validate_batch`: so many errors with that `code`; several are those of the lines from 1 on"""
    no_such_file: bool = False
    """`validate_batch`: the batch fails as if its input file was not there; `code` and `param`, if they are
    given, replace those of the error that says so"""
    course: Course | None = None
    """`start_batch`: how the batch runs, until the fault is removed"""
    ending: Literal["completed", "expired", "cancelled", "failed"] | None = None
    """`run_batch`: how the batch ends, whatever else was to come"""
    rows: RowFaults = RowFaults()
    """`run_batch`: what is wrong with the results"""
    counts: RequestCounts | None = None
    """`run_batch`: what the batch says of its results, whatever they are"""
    ids_late: int = 0
    """`run_batch`: so many retrieves of the ended batch still show no output and error file"""
    ids_late_seconds: float = 0.0
    """`run_batch`: for so long the ended batch shows no output and error file, by the account's clock"""
    rows_share: Share = 1.0
    """`stream_file`, not at Vertex: only this share of the rows is there yet, with whole lines"""
    reordered: bool = False
    """`stream_file`, not at Vertex: the rows are in another order at each read"""

    @property
    def problem(self) -> BatchProblem | None:
        """The error that a batch fails with once it has run; None: the fault names none."""
        if self.code is None:
            return None
        message = self.message or "Asked for by a fault."
        return BatchProblem(code=self.code, message=message, param=self.param)

    @property
    def strikes_early(self) -> bool:
        """Whether it strikes before the request's body is read."""
        of_the_request = (self.cut_request_after, self.request_rate)
        return self.when == "early" or of_the_request != (None, None)


class ArmedFault:
    """A fault in force, and how often it struck."""

    def __init__(self, key: str, fault: Fault) -> None:
        self.key = key
        self.fault = fault
        self.fitted = 0
        self.struck = 0
        self.removed: bool = False
        self._ends = math.inf if fault.seconds is None else time.monotonic() + fault.seconds
        self.on_removal: list[Callable[[], object]] = []
        """called once it is removed"""

    def remove(self) -> None:
        """Take it out of force."""
        self.removed = True
        for each in self.on_removal:
            each()

    @property
    def spent(self) -> bool:
        """Whether it will never strike again."""
        if self.removed or time.monotonic() >= self._ends:
            return True
        return self.fault.times is not None and self.struck >= self.fault.times
