"""The application and its processes, as the source documents' examples meet them."""

from tests.app.api.conftest import admin, application, client, signed_up
from tests.pipeline.conftest import spawn

__all__ = ["admin", "application", "client", "signed_up", "spawn"]
