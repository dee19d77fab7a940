"""The gateway of `tests/access`."""

from tests.access.conftest import shared as shared
