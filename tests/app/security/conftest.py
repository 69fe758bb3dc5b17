"""Keys for tests of the lock and what it locks."""

import pytest

from app.security.secrets import sealing
from app.settings import Settings


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> Settings:
    """The installation's secret, taken."""
    sealing.prepare(settings)
    return settings
