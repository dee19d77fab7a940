"""The web page of operators and owners (extra `page`): server-rendered, without any asset of others.

`Page` is an ASGI app. `LiteBatch.page` is one for hosts to mount; the standalone gateway serves it at `/ui`.
"""

from __future__ import annotations

from litebatch_asgi.page.app import Page as Page
from litebatch_asgi.page.section import Handler as Handler
from litebatch_asgi.page.section import PageRoute as PageRoute
from litebatch_asgi.page.section import Section as Section
from litebatch_asgi.page.shown import Moved as Moved
from litebatch_asgi.page.shown import Shown as Shown
from litebatch_asgi.page.visit import Visit as Visit
