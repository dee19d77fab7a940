"""Deployments whose lines are run request by request, by us.

`servers` sends the requests. It knows several providers and is loaded where there is such a deployment.
"""

from litebatch_asgi.providers.live.adapter import LiveAdapter as LiveAdapter
