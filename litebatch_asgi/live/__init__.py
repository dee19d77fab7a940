"""The live lane: requests are sent one by one to deployments that have no batches of their own.

`LiveRunner` claims ranges of live jobs and reads their requests, a `Station` for each deployment sends them
as its load control and its owners' turns allow, and a `ResultWriter` commits what came of them, many at a
time. A request takes its place from when it is sent until its result is committed: where the database does
not answer, sending stops by itself.
"""

from litebatch_asgi.live.runner import LiveRunner as LiveRunner
