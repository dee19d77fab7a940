"""The standalone gateway (extra `server`)."""
