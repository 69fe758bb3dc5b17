"""Keeps the doors of a worker at the policies that admins have set."""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog

from app import db
from app.security.network.egress import Egress
from app.store.system import settings

INTERVAL_S = 0.5  # with the second that settings are kept: a change holds for connections made two seconds later

log = structlog.get_logger()


class EgressReload:
    """Doors, by the key of the setting that each follows."""

    def __init__(self, egress_by_setting: Mapping[str, Egress]) -> None:
        self._egress_by_setting = egress_by_setting

    async def load(self) -> None:
        """Take each policy as it is now. Raises the database's errors: nobody connects by a policy nobody knows."""
        for key, egress in self._egress_by_setting.items():
            egress.use_policy(await settings.get_value(key))

    async def run(self) -> None:
        """Follow every change until cancelled; what can't be read changes nothing."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.load()
            except (*db.TRANSIENT_ERRORS, msgspec.ValidationError) as error:
                log.warning("policy.unread", error=type(error).__name__)
