"""Deployments, for admins: what they have to do, and how to keep work away from one."""

from __future__ import annotations

from litebatch_asgi.page.deployments import actions
from litebatch_asgi.page.deployments.list import show_list
from litebatch_asgi.page.deployments.one import show_one
from litebatch_asgi.page.deployments.paths import DRAIN, LIST, MOVE, ONE, STOP, UNDRAIN
from litebatch_asgi.page.section import PageRoute, Section


def deployments_section() -> Section:
    """What is there of deployments."""
    return Section(
        title="Deployments",
        path=LIST,
        for_admins=True,
        routes=(
            PageRoute(path=LIST, get=show_list),
            PageRoute(path=ONE, get=show_one),
            PageRoute(path=DRAIN, post=actions.drain),
            PageRoute(path=UNDRAIN, post=actions.undrain),
            PageRoute(path=STOP, post=actions.stop),
            PageRoute(path=MOVE, post=actions.move),
        ),
    )
