"""Keys for the tests of encryption and credentials."""

import pytest

from app.security.secrets import sealing
from app.settings import Settings


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> Settings:
    """The installation's secret, taken."""
    sealing.prepare(settings)
    return settings
