"""Copies over their lives: found again, made anew, asked about and removed."""

from __future__ import annotations

from litebatch_asgi.simulator import Fault
from tests.harness import InProcess

FILES = 6


async def until_rows(gateway: InProcess, count: int, where: str) -> None:
    """Wait until so many copies of inputs are like this."""

    async def there_are() -> bool:
        found = await gateway.database.rows(f"SELECT 1 FROM file_copies WHERE {where}")
        return len(found) == count

    await gateway.eventually(there_are)


async def test_copies_in_doubt_share_the_reads_of_a_list(gateway: InProcess) -> None:
    east = gateway.simulator.account("east")
    east.add_fault(Fault(call="upload_file", when="after", drop=True, times=FILES))
    stalled = east.add_fault(Fault(call="list_files", stall=True))
    for _ in range(FILES):
        await gateway.upload()
    await until_rows(gateway, FILES, "deployment_id = 'east' AND claimed_by IS NOT NULL")
    gateway.simulator.remove_fault(stalled)
    await until_rows(gateway, 2 * FILES, "state = 'ready'")
    assert len(gateway.provider_files("east")) == FILES
    assert len(gateway.simulator.journal.select("list_files", account="east")) == 2
