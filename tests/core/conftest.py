"""How the generated tests are run."""

from hypothesis import HealthCheck, settings

# Examples share the machine with other tests: how long one takes says nothing.
settings.register_profile("litebatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("litebatch")
