"""Delivering: what has happened is given to the sinks that this process has, and sent to webhooks."""

from litebatch_asgi.delivering.deliveries import Deliveries as Deliveries
from litebatch_asgi.delivering.webhooks import WebhookWorker as WebhookWorker
