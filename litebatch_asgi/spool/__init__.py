"""Temporary files that content is kept in while it is checked and sent on.

Whatever may wait for the disk is done in the executor that the `Spooler` was given: the event loop reads only
what the system has in memory. The default executors of asyncio and anyio, which are the host's, are left
alone.
"""

from litebatch_asgi.spool.spool import BLOCK_BYTES as BLOCK_BYTES
from litebatch_asgi.spool.spool import BUFFER_BYTES as BUFFER_BYTES
from litebatch_asgi.spool.spool import Spool as Spool
from litebatch_asgi.spool.spool import Spooler as Spooler
