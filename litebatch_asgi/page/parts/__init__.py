"""What pages are made of. Texts are escaped by htpy; addresses are made by `Visit.url` alone."""

from __future__ import annotations

from litebatch_asgi.page.parts.blocks import code as code
from litebatch_asgi.page.parts.blocks import empty as empty
from litebatch_asgi.page.parts.blocks import facts as facts
from litebatch_asgi.page.parts.blocks import heading as heading
from litebatch_asgi.page.parts.blocks import pager as pager
from litebatch_asgi.page.parts.blocks import search_pager as search_pager
from litebatch_asgi.page.parts.fields import area as area
from litebatch_asgi.page.parts.fields import choice as choice
from litebatch_asgi.page.parts.fields import field as field
from litebatch_asgi.page.parts.fields import filters as filters
from litebatch_asgi.page.parts.fields import post as post
from litebatch_asgi.page.parts.fields import tick as tick
from litebatch_asgi.page.parts.fields import token as token
from litebatch_asgi.page.parts.found import search_rest as search_rest
from litebatch_asgi.page.parts.json_text import pretty as pretty
from litebatch_asgi.page.parts.secrets import shown_once as shown_once
from litebatch_asgi.page.parts.tables import Column as Column
from litebatch_asgi.page.parts.tables import table as table
from litebatch_asgi.page.parts.texts import shortened as shortened
from litebatch_asgi.page.parts.texts import told as told
from litebatch_asgi.page.parts.texts import visible as visible
from litebatch_asgi.page.parts.values import ago as ago
from litebatch_asgi.page.parts.values import amount as amount
from litebatch_asgi.page.parts.values import bar as bar
from litebatch_asgi.page.parts.values import chip as chip
from litebatch_asgi.page.parts.values import counted as counted
from litebatch_asgi.page.parts.values import duration as duration
from litebatch_asgi.page.parts.values import progress as progress
from litebatch_asgi.page.parts.values import size as size
from litebatch_asgi.page.parts.values import size_limit as size_limit
from litebatch_asgi.page.parts.values import when as when
