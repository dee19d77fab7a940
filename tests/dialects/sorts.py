from __future__ import annotations

from hypothesis import HealthCheck, settings

# Drawing whole requests takes long on a busy machine, whatever is tested with them.
ALL_SORTS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100)
