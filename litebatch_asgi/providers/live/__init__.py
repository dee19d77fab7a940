"""Deployments whose lines are run request by request, by us."""

from litebatch_asgi.providers.live.adapter import LiveAdapter as LiveAdapter
from litebatch_asgi.providers.live.servers import live_server as live_server
