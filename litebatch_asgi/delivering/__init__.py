"""Delivering: what has happened is given to the sinks that this process has."""

from litebatch_asgi.delivering.deliveries import Deliveries as Deliveries
