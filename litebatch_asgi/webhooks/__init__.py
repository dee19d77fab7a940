"""Webhooks: where they may go, how they are signed and sent, and the endpoints that owners register."""
