"""The control endpoints of inference servers: what they received."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .downtime import Downtime
from .state import SimulatorState
from .steering import Handler, json_response

MOST_ENTRIES = 10_000
"""that are told at once, unless more are asked for"""


class InferenceControl:
    """Handlers of the control endpoints that are about accounts of the flavour `vllm`."""

    def __init__(self, simulator: SimulatorState) -> None:
        self._simulator = simulator

    def handlers(self) -> tuple[tuple[str, str, Handler], ...]:
        """Method, name and handler of each."""
        return (
            ("GET", "requests", self.requests),
            ("GET", "lines", self.lines),
            ("GET", "totals", self.totals),
            ("POST", "down", self.go_down),
            ("POST", "up", self.come_up),
        )

    async def requests(self, request: Request) -> Response:
        """Requests to inference servers, `?account=&after=&match=&sha256=&limit=`, and the last `seq` of all.

        At most 10,000 unless `limit` says more; the next ones are those `after` the last of them.
        """
        params, journal = request.query_params, self._simulator.requests
        entries = journal.select(
            account=params.get("account"),
            match=params.get("match"),
            sha256=params.get("sha256"),
            after=_number(params, "after", 0),
            limit=_number(params, "limit", MOST_ENTRIES),
        )
        return json_response({"entries": entries, "seq": len(journal)})

    async def lines(self, request: Request) -> Response:
        """Lines that came `?received=` and were answered 200 `?succeeded=` times or more: how often each."""
        params = request.query_params
        lines = self._simulator.requests.lines(
            account=params.get("account"),
            match=params.get("match"),
            received=_number(params, "received", 1),
            succeeded=_number(params, "succeeded", 0),
            after=_number(params, "after", 0),
        )
        return json_response({"lines": lines[: _number(params, "limit", MOST_ENTRIES)], "found": len(lines)})

    async def totals(self, request: Request) -> Response:
        """Requests and lines of `?account=` later than `?after=`, in numbers."""
        params = request.query_params
        after = _number(params, "after", 0)
        return json_response(self._simulator.requests.totals(account=params.get("account"), after=after))

    async def go_down(self, request: Request) -> Response:
        """Let the server go down as the body has it, see `Downtime`; `?account=` if it is only one's."""
        downtime = msgspec.json.decode(await request.body() or b"{}", type=Downtime)
        await self._simulator.go_down(downtime, request.query_params.get("account", "default"))
        return json_response({})

    async def come_up(self, request: Request) -> Response:
        """Let everything be up again; while connections are refused, over one that steered before."""
        await self._simulator.come_up()
        return json_response({})


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    return int(params.get(name, default))
