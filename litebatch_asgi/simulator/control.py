"""The control endpoints under `/_simulator/`: the simulator by HTTP, in JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .account import Account
from .faults import ArmedFault, Fault
from .inference_control import InferenceControl
from .state import SimulatorState
from .steering import Handler, json_response


class RunningBatches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Batches that are to be added, each with its metadata: see `Account.add_running_batches`."""

    input_file_id: str
    metadata: list[dict[str, str] | None]
    endpoint: str = "/v1/chat/completions"


class Control:
    """Handlers of the control endpoints. What they cannot read is answered with 400 and a `message`."""

    def __init__(self, simulator: SimulatorState) -> None:
        self._simulator = simulator
        self._inference = InferenceControl(simulator)

    def routes(self) -> list[Route]:
        """The routes, without their prefix."""
        index = Route("/", _checked(self.index), methods=["GET"])
        asked = [
            Route(f"/{name}", _checked(handler), methods=[method])
            for method, name, handler in self._handlers()
        ]
        return [index, *asked]

    async def index(self, _: Request) -> Response:
        """What can be asked here, and of which accounts."""
        calls = [
            {"method": method, "path": f"/_simulator/{name}", "does": _first_line(handler)}
            for method, name, handler in self._handlers()
        ]
        return json_response({"calls": calls, "accounts": sorted(self._simulator.accounts)})

    def _handlers(self) -> tuple[tuple[str, str, Handler], ...]:
        return (
            ("GET", "journal", self.journal),
            ("GET", "counts", self.counts),
            ("GET", "settings", self.settings),
            ("POST", "settings", self.configure),
            ("GET", "faults", self.faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.remove_faults),
            ("POST", "advance", self.advance),
            ("POST", "release", self.release),
            ("POST", "expire", self.expire),
            ("POST", "foreign", self.add_foreign_batches),
            ("POST", "running", self.add_running_batches),
            ("GET", "state", self.state),
            ("GET", "jobs", self.jobs),
            ("GET", "summary", self.summary),
            ("GET", "credentials", self.credentials),
            *self._inference.handlers(),
            ("POST", "reset", self.reset),
        )

    async def journal(self, request: Request) -> Response:
        """Entries of `?account=`, `?call=`, later than `?after=`."""
        params = request.query_params
        entries = self._simulator.journal.select(
            params.get("call"), account=params.get("account"), after=int(params.get("after", "0"))
        )
        return json_response({"entries": entries})

    async def counts(self, request: Request) -> Response:
        """How many calls of each kind `?account=` had later than `?after=`, and the `seq` of the last one."""
        params, journal = request.query_params, self._simulator.journal
        counts = journal.counts(account=params.get("account"), after=int(params.get("after", "0")))
        return json_response({"counts": counts, "seq": len(journal)})

    async def settings(self, request: Request) -> Response:
        """Settings of `?account=`."""
        return json_response(self._account(request).settings)

    async def configure(self, request: Request) -> Response:
        """Change settings of `?account=`."""
        changes = msgspec.json.decode(await request.body(), type=dict[str, Any])
        return json_response(self._account(request).configure(**changes))

    async def faults(self, request: Request) -> Response:
        """All faults, with how often they struck."""
        return json_response({"faults": [_shown(armed) for armed in self._simulator.faults.all()]})

    async def add_fault(self, request: Request) -> Response:
        """Put a fault in force."""
        fault = msgspec.json.decode(await request.body(), type=Fault)
        return json_response(_shown(self._simulator.add_fault(fault)))

    async def remove_faults(self, request: Request) -> Response:
        """Remove the fault `?id=`, or all."""
        return json_response({"removed": self._simulator.faults.remove(request.query_params.get("id"))})

    async def advance(self, request: Request) -> Response:
        """Move the batch `?batch_id=`, or all open ones of `?account=`, to their next status."""
        account = self._account(request)
        await account.advance(_object_of(request))
        return json_response({"batches": list(account.batches.values())})

    async def release(self, request: Request) -> Response:
        """Like `advance`, without waiting."""
        self._account(request).release(_object_of(request))
        return json_response({})

    async def expire(self, request: Request) -> Response:
        """Let the batch `?batch_id=` of `?account=` end as `expired`."""
        self._account(request).expire(request.query_params.get("batch_id", ""))
        return json_response({})

    async def add_foreign_batches(self, request: Request) -> Response:
        """Add `?count=` ended batches to `?account=`."""
        count = int(request.query_params.get("count", "1"))
        return json_response({"batches": self._account(request).add_foreign_batches(count)})

    async def add_running_batches(self, request: Request) -> Response:
        """Add a running batch for each of the `metadata` that the body has to `?account=`."""
        asked = msgspec.json.decode(await request.body(), type=RunningBatches)
        batches = await self._account(request).add_running_batches(
            asked.input_file_id, asked.metadata, asked.endpoint
        )
        return json_response({"ids": [batch.id for batch in batches]})

    async def state(self, request: Request) -> Response:
        """Files and batches of all accounts."""
        return json_response(
            {
                name: {"files": list(account.files.values()), "batches": list(account.batches.values())}
                for name, account in self._simulator.accounts.items()
            }
        )

    async def jobs(self, request: Request) -> Response:
        """All batches of `?account=`, with the lines that each could run, and when."""
        wanted = request.query_params.get("account")
        jobs = [each for each in await self._simulator.jobs() if wanted in (None, each.account)]
        return json_response({"jobs": jobs})

    async def summary(self, request: Request) -> Response:
        """Files by filename and batches by `?tag=`, and what is there twice."""
        summary = self._simulator.summary(request.query_params.get("tag", "litebatch_job"))
        twice = {"twins": summary.twins(), "doubled_files": summary.doubled_files()}
        return json_response({"files": summary.files, "batches": summary.batches, **twice})

    async def credentials(self, request: Request) -> Response:
        """The JSON of a service account of `?account=`, at Vertex, in the project `?project=`."""
        params, address = request.query_params, f"{request.url.scheme}://{request.url.netloc}"
        account, project = params.get("account", "default"), params.get("project", "simulator")
        return json_response(await self._simulator.service_account(address, account, project))

    async def reset(self, request: Request) -> Response:
        """Forget everything."""
        await self._simulator.reset()
        return json_response({})

    def _account(self, request: Request) -> Account:
        return self._simulator.account(request.query_params.get("account", "default"))


def _object_of(request: Request) -> str | None:
    return request.query_params.get("batch_id", request.query_params.get("file_id"))


def _first_line(handler: Handler) -> str:
    return (handler.__doc__ or "").partition("\n")[0]


def _shown(armed: ArmedFault) -> dict[str, Any]:
    return {"id": armed.key, "struck": armed.struck, "spent": armed.spent, "fault": armed.fault}


def _checked(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (msgspec.MsgspecError, KeyError, ValueError) as exc:
            return json_response({"message": f"{type(exc).__name__}: {exc}"}, 400)

    return answer
