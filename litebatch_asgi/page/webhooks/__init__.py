"""Webhooks: where owners want to be told of their batches, and what was not taken there."""

from __future__ import annotations

from litebatch_asgi.page.section import PageRoute, Section
from litebatch_asgi.page.webhooks import actions
from litebatch_asgi.page.webhooks.list import show_list
from litebatch_asgi.page.webhooks.making import create, show_form
from litebatch_asgi.page.webhooks.one import save, show_one
from litebatch_asgi.page.webhooks.paths import LIST, NEW, ONE


def webhooks_section() -> Section:
    """What there is of webhooks."""
    return Section(
        title="Webhooks",
        path=LIST,
        routes=(
            PageRoute(path=LIST, get=show_list),
            PageRoute(path=NEW, get=show_form, post=create),
            PageRoute(path=ONE, get=show_one, post=save),
            PageRoute(path=f"{ONE}/test", post=actions.test),
            PageRoute(path=f"{ONE}/rotate", post=actions.rotate),
            PageRoute(path=f"{ONE}/disable", post=actions.disable),
            PageRoute(path=f"{ONE}/enable", post=actions.enable),
            PageRoute(path=f"{ONE}/delete", post=actions.delete),
            PageRoute(path=f"{ONE}/replay", post=actions.replay),
        ),
    )
