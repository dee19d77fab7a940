"""Adapters, each of which speaks one provider's language for one deployment."""
