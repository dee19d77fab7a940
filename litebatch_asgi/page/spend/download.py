"""What was spent, for spreadsheets: the CSV of `GET /spend/batches`."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.models import SpendField
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.spend.asked import parse
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.threads import in_thread


async def download(visit: Visit) -> ASGIApp:
    """`GET /spend/csv`."""
    asked = parse(visit)
    page = await visit.services.spending.page(visit.principal, asked.query(SpendField.DAY, asked.by))
    name = f"spend-{asked.start}-{asked.end}-by-{asked.by}.csv"
    told = {
        "content-disposition": f'attachment; filename="{name}"',
        "x-litebatch-has-more": "true" if page.has_more else "false",
    }
    written = await in_thread(partial(wire.spend_csv, page))
    return Response(written, media_type=wire.CSV, headers={**HEADERS, **told})
