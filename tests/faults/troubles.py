"""All troubles: those that every test run meets, and those that are met two at a time."""

from __future__ import annotations

from itertools import combinations, cycle

from tests.database import BACKENDS
from tests.faults.calls import (
    STATUSES,
    answers_late,
    answers_lost,
    calls_refused,
    connections_cut,
    deaths,
)
from tests.faults.placing import CLOCKS, CROWDS, ROOM, TWINS, VALIDATION, lists_of_batches
from tests.faults.running import CANCELS, ENDINGS, LOSSES, RETRIEVAL, VANISHING, rows
from tests.faults.storing import COPIES, SIZES, SPOILED, lists_of_files

ALL = {
    trouble.name: trouble
    for trouble in (
        *calls_refused(*STATUSES),
        *answers_lost(*STATUSES),
        *connections_cut(),
        *answers_late(),
        *deaths(),
        *lists_of_files(),
        *COPIES,
        *SPOILED,
        *SIZES,
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
}
"""by name"""

CORE = (
    "upload_file 503",
    "upload_file done, 403",
    "upload_file done, 504",
    "upload_file cut, not read",
    "upload_file late, done late",
    "death at upload.answered",
    "upload lost, list hides the newest",
    "upload lost by all",
    "copy is cut off",
    "copy is lost",
    "copy turns bad",
    "sizes told wrong, upload lost",
    "sizes told wrong, copy cut off",
    "death at upload.read_back",
    "create_batch 404",
    "create_batch 500",
    "create_batch done, 429",
    "create_batch done, 500",
    "create_batch done, 504",
    "create_batch late, done at once",
    "create_batch late, done late",
    "death at place.intended",
    "death at place.answered",
    "create lost, list lags by calls",
    "create lost, list fails",
    "create lost, 300 batches ahead, page 2 fails",
    "answers lost, clocks +120 and -120 s",
    "quota full for a while",
    "validation stands still",
    "create done, 503, list hides it",
    "create done when it was given up",
    "create is passed on twice, 503 to a cancel",
    "retrieve_batch late, done late",
    "job vanishes and comes back",
    "job vanishes for long",
    "job expires",
    "stream_file 404",
    "death at settle.before",
    "results short",
    "results lack their last byte",
    "results are not there for a while",
    "ids of results come late",
    "cancelled job leaves what was executed",
    "rows lost, doubled, foreign and unparsable",
    "rows lost, job forgotten",
    "cancel_batch cut, done",
    "cancelled while the create is in doubt",
    "death at cancel.before",
    "job ends before it is cancelled",
    "delete_file 403",
    "death at remove.done",
)
"""Every third one is met in every test run, on one database each."""

CORE_ON = tuple(zip(CORE[::3], cycle(BACKENDS), strict=False))
"""with the kind of database"""

_MET_IN_PAIRS = (
    "upload_file 503",
    "upload_file done, 504",
    "upload_file late, done late",
    "death at upload.answered",
    "upload lost, list hides the newest",
    "upload lost by all",
    "copies take their time",
    "copy is cut off",
    "copy is lost",
    "copy turns bad",
    "sizes told wrong",
    "create_batch 429",
    "create_batch 500",
    "create_batch done, 502",
    "create_batch late, done late",
    "death at place.answered",
    "create lost, list lags by calls",
    "create lost, 300 batches ahead",
    "answers lost, clocks +120 and -120 s",
    "one deployment is down for a while",
    "quota exceeded after the create",
    "validation stands still",
    "create done when it was given up",
    "create is passed on twice, 503 to a cancel",
    "retrieve_batch 502",
    "job vanishes and comes back",
    "job vanishes for long",
    "job expires",
    "stream_file 503",
    "results short",
    "results are not there for a while",
    "rows lost, doubled, foreign and unparsable",
    "rows lost, job forgotten",
    "death at settle.before",
    "cancel_batch 503",
    "cancelled while the create is in doubt",
    "job ends before it is cancelled",
    "death at cancel.before",
    "delete_file 403",
    "file is deleted in doubt",
    "death at remove.done",
)
_HOPELESS = {
    frozenset({"copy turns bad", other})
    for other in ("upload_file 503", "copy is cut off", "copy is lost", "one deployment is down for a while")
}
"""The only whole copy turns bad before there is another."""

PAIRS = {
    f"{one} + {other}": (ALL[one], ALL[other])
    for one, other in combinations(_MET_IN_PAIRS, 2)
    if frozenset({one, other}) not in _HOPELESS
}
"""by name"""
