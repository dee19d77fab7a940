"""Troubles at deployments that do not speak OpenAI: those of all others, as they meet them there, and more.

A batch there says nothing of its journey. The first to be created, and to run, is the one that is left alone,
the second one is cancelled. Anthropic keeps no files, and examines a batch before it answers; the codes with
which Vertex gives a job back are its own.
"""

from __future__ import annotations

from itertools import cycle

from msgspec.structs import replace

from litebatch_asgi.simulator import Fault
from litebatch_asgi.simulator.faults import CallName
from tests.database import BACKENDS
from tests.faults.calls import (
    RESULTS,
    answers_late,
    answers_lost,
    calls_refused,
    connections_cut,
    death_at,
    deaths,
)
from tests.faults.journey import Phase, Trouble
from tests.faults.placing import CLOCKS, CROWDS, ROOM, TWINS, VALIDATION, lists_of_batches
from tests.faults.running import CANCELS, ENDINGS, LOSSES, RETRIEVAL, VANISHING, rows
from tests.faults.stage import MIXED
from tests.faults.storing import COPIES, lists_of_files
from tests.faults.world import CANCEL, IDS, RUN
from tests.translated.deployed import ANTHROPIC, VERTEX

WITH_ANOTHER = (Phase.UPLOAD, Phase.CREATE, Phase.POLL)
"""phases in which it matters that there is another deployment: later ones have nothing to choose"""
OF_FILES: frozenset[CallName] = frozenset({"upload_file", "retrieve_file", "list_files", "check_file"})
"""calls that Anthropic does not have"""
UNFIT = {
    VERTEX: {
        "copies take their time",  # an object is there or is not
        "copy is cut off",  # an object is never cut off
        "lines are refused",
        "rows lost, sizes not told",
        "rows lost, input cut",  # what was uploaded is read, and not the copy
        "cancelled job leaves what was executed",
        "cancelled job leaves nothing",
        "create lost, 300 batches ahead, page 2 fails",  # the others' jobs are of another project
        "create is passed on twice, 503 to a cancel",
    },
    ANTHROPIC: {
        "copy is cut off",
        "file is deleted in doubt",
        "lines are refused",
        "validation takes its time",
        "validation stands still",
        "quota exceeded after the create",
        "quota full for a while",
        "rows lost, input cut",
        "cancelled job leaves what was executed",
        "cancelled job leaves nothing",
        "create done when it was given up, 404 to its cancel",  # at its end it tells whose it is
        "create done when it was given up, 503 to its cancel",
        "create is passed on twice, 503 to a cancel",
        "cancelled while the create is under way",  # or before it, while its lines are read
        "cancelled while the create is in doubt",
    },
}
"""troubles that an account of this kind cannot have"""

OF_TRANSLATION = {
    VERTEX: (death_at("upload.translated", Phase.UPLOAD), death_at("settle.decoded", Phase.SETTLE)),
    ANTHROPIC: (death_at("place.translated", Phase.CREATE), death_at("settle.decoded", Phase.SETTLE)),
}
OF_ALL = (
    *calls_refused(404, 429, 503),
    *answers_lost(403, 504),
    *connections_cut(),
    *answers_late(),
    *deaths(),
    *lists_of_files(),
    *COPIES,
    *lists_of_batches(),
    *CROWDS,
    *CLOCKS,
    *ROOM,
    *VALIDATION,
    *TWINS,
    *VANISHING,
    *ENDINGS,
    *CANCELS,
    *RETRIEVAL,
    *rows(),
    *LOSSES,
)


def fits(trouble: Trouble, kind: str) -> bool:
    """Whether an account of this kind can have this trouble."""
    asks_files = kind == ANTHROPIC and any(fault.call in OF_FILES for fault in trouble.faults)
    return trouble.name not in UNFIT[kind] and not asks_files


def fitted(trouble: Trouble, flavour: str) -> Trouble:
    """The same trouble as it meets the last deployment of one of `MIXED`."""
    kind = MIXED[flavour][-1]
    in_doubt = trouble.phase is Phase.CREATE or any(fault.call == "create_batch" for fault in trouble.faults)
    runs_on = kind == ANTHROPIC and in_doubt  # what may be another's is not cancelled
    is_cut_off = kind == VERTEX and any(fault.ending == "cancelled" for fault in trouble.faults)
    return replace(
        trouble,
        faults=tuple(_fitted(fault, kind) for fault in trouble.faults),
        accounts={
            name: trouble.accounts.get(which, {})
            for name, which in zip(reversed(MIXED[flavour]), ("west", "east"), strict=False)
        },
        cancels=trouble.cancels | {"completed"} if runs_on else trouble.cancels,
        loses=len(IDS) // 2 if is_cut_off else trouble.loses,  # there are no rows of what was not run
    )


def _fitted(fault: Fault, kind: str) -> Fault:
    fault = replace(fault, account=kind)
    if fault.match == RUN:
        return replace(fault, match=None)
    if fault.match == CANCEL:
        return replace(fault, match=None, skip=fault.skip + 1)
    if fault.match == RESULTS and kind == VERTEX:
        return replace(fault, match="prediction")
    return fault


ALL = {
    (flavour, trouble.name): fitted(trouble, flavour)
    for flavour, names in MIXED.items()
    for trouble in (*OF_ALL, *OF_TRANSLATION[names[-1]])
    if fits(trouble, names[-1]) and (len(names) == 1 or trouble.phase in WITH_ANOTHER)
}
"""by the world that they are met in, and by name"""

CORE = (
    (VERTEX, "upload_file done, 504"),
    (VERTEX, "death at upload.translated"),
    ("openai and vertex", "create_batch done, 504"),
    (ANTHROPIC, "create_batch cut, done"),
    (ANTHROPIC, "rows lost, doubled, foreign and unparsable"),
    ("openai and anthropic", "death at place.translated"),
)
CORE_ON = tuple(zip(CORE, cycle(BACKENDS), strict=False))
"""met in every test run, with the kind of database"""
ALL_ON = tuple(case for case in zip(ALL, cycle(BACKENDS), strict=False) if case not in CORE_ON)
"""all others, on one database each"""
