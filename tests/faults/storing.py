"""Troubles with files: copies that are lost, spoiled or late, and lists that do not show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litebatch_asgi.simulator import Fault
from tests.faults.calls import TRIES
from tests.faults.journey import Phase, Trouble
from tests.faults.world import World, at, client_of, put_file

LOST_UPLOAD = Fault(call="upload_file", when="after", drop=True)


def lists_of_files() -> Iterator[Trouble]:
    """The answer to an upload is lost, and the list that is to tell does not tell at once."""
    lists: dict[str, dict[str, Any]] = {
        "hides the newest": {"hide_newest": 1, "times": 3},
        "lags by seconds": {"list_lag": 0.2, "times": 20},
        "fails": {"status": 500, "times": TRIES + 1},
    }
    for name, changes in lists.items():
        faults = (LOST_UPLOAD, Fault(call="list_files", **changes))
        yield Trouble(name=f"upload lost, list {name}", phase=Phase.UPLOAD, faults=faults)


async def lose_copy(world: World) -> None:
    """One provider loses its copy, when each has one."""

    (file_id,) = world.files

    async def each_has_one() -> bool:
        states = await world.rows(f"SELECT state FROM file_copies WHERE file_id = '{file_id}'")
        return states == [("ready",)] * len(world.accounts)

    await world.gateway.eventually(each_has_one)
    east = world.simulator.account("east")
    for file in list(east.files.values()):
        if world.installation in file.filename:
            await east.delete_file(file.id)


UNHURRIED = {"adopt_grace_seconds": 4.0}
"""so that half a file is there before the search for it is over, on a busy machine as well"""


async def cut_copy_off(world: World) -> None:
    """An upload to the west is not done, and half a file lies there under our tag."""
    fault = world.simulator.add_fault(Fault(account="west", call="upload_file", stall=True, drop=True))
    await world.simulator.until(lambda: fault.struck == 1)
    ((file_id,),) = await world.rows("SELECT id FROM files ORDER BY id DESC LIMIT 1")
    half = b"".join(at("west").splitlines(keepends=True)[:6])
    west = world.simulator.account("west")
    async with client_of(west, world.provider, "half") as http:
        await put_file(http, f"{file_id}-{world.installation}.jsonl", half)
    world.simulator.remove_fault(fault)


async def delete_in_doubt(world: World) -> None:
    """A client deletes a file of which one copy may or may not have arrived."""
    world.simulator.add_fault(Fault(account="east", call="upload_file", when="after", drop=True))
    world.simulator.add_fault(Fault(account="east", call="list_files", hide_newest=1, times=2))
    file_id = await world.upload()
    await world.gateway.client().files.delete(file_id)
    del world.files[file_id]


WRONG_SIZES = {name: {"bytes_surplus": 50} for name in ("east", "west")}

SIZES = (
    Trouble(name="sizes told wrong", phase=Phase.UPLOAD, accounts=WRONG_SIZES),
    Trouble(
        name="sizes told wrong, upload lost", phase=Phase.UPLOAD, accounts=WRONG_SIZES, faults=(LOST_UPLOAD,)
    ),
    Trouble(
        name="sizes told wrong, copy cut off",
        phase=Phase.UPLOAD,
        accounts=WRONG_SIZES,
        meanwhile=cut_copy_off,
        settings=UNHURRIED,
    ),
    Trouble(
        name="sizes told wrong, not read for a while",
        phase=Phase.UPLOAD,
        accounts=WRONG_SIZES,
        faults=(Fault(call="stream_file", match="file-lb", status=503, times=2 * TRIES),),
    ),
    Trouble(
        name="death at upload.read_back",
        phase=Phase.UPLOAD,
        accounts=WRONG_SIZES,
        dies_at="upload.read_back=raise",
        settings={"lease_seconds": 1.0},
    ),
)
"""Servers that say that a file has other bytes than it has."""

COPIES = (
    Trouble(
        name="upload refused by all",
        phase=Phase.UPLOAD,
        faults=(Fault(call="upload_file", status=503, times=2),),
    ),
    Trouble(
        name="upload lost by all",
        phase=Phase.UPLOAD,
        faults=(Fault(call="upload_file", when="after", drop=True, times=2),),
    ),
    Trouble(
        name="copies take their time",
        phase=Phase.UPLOAD,
        faults=(
            Fault(call="upload_file", file_status="pending", times=2),
            Fault(call="retrieve_file", skip=4, file_status="processed", times=2),
        ),
    ),
    Trouble(name="copy is cut off", phase=Phase.UPLOAD, meanwhile=cut_copy_off, settings=UNHURRIED),
    Trouble(name="file is deleted in doubt", phase=Phase.DELETE, uploaded=delete_in_doubt),
)

SPOILED = (
    Trouble(
        name="copy is bad from the start",
        phase=Phase.UPLOAD,
        faults=(Fault(call="upload_file", file_status="error"),),
    ),
    Trouble(
        name="copy turns bad",
        phase=Phase.UPLOAD,
        faults=(
            Fault(call="upload_file", file_status="pending"),
            Fault(call="retrieve_file", match="file-lb", skip=2, file_status="error"),
        ),
    ),
    Trouble(name="copy is lost", phase=Phase.UPLOAD, uploaded=lose_copy),
)
"""One deployment has no copy any more."""
