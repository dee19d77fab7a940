"""What every provider adapter has to do, as tests for whoever writes one.

Derive from `ProviderConformance`, say where the adapter comes from, and run pytest::

    class TestMyAdapter(ProviderConformance):
        capabilities = frozenset({Capability.RUNS_BATCHES})
        model = "the-upstream-model"

        @pytest.fixture
        async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
            async with aclosing(MyAdapter(deployment, Settings())) as adapter:
                yield adapter

Each test holds one promise of `ProviderAdapter` and is named after it. Against a real provider they make some
twenty files, one of 4 MB and the rest small, and delete them again, and a dozen batches of two requests,
which they cancel but for a few. They wait where the provider takes its time: a file may be pending for a
while, a batch may run, and between two looks lies the adapter's own `min_poll_seconds`; set
`patience_seconds` to what that may take, `poll_seconds` to look more often, and pytest-timeout, if you use
it, to more than either.

What an adapter is free to do is left open: whether a batch of a file that is not ready, or gone, is refused
at once or fails later; whether a size is told; in which order lists come. Where the provider has a form
of its own, requests go out and results are read by the adapter's dialect; what it says that it lacks, such as
files or tags, is not asked of it.

This package imports pytest and is therefore not part of `litebatch_asgi.testing`.
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("base", "batches", "files")))

from litebatch_asgi.testing.provider_conformance.base import Capability as Capability  # noqa: E402
from litebatch_asgi.testing.provider_conformance.base import Uploader as Uploader  # noqa: E402
from litebatch_asgi.testing.provider_conformance.batches import BatchTests  # noqa: E402
from litebatch_asgi.testing.provider_conformance.files import FileTests  # noqa: E402


class ProviderConformance(FileTests, BatchTests):
    """All the tests. A subclass defines the fixture `adapter`; the rest has defaults."""
