"""Reloads egress policies, so that admins' changes reach a running worker."""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog

from app import db
from app.security.network.egress import Egress
from app.store.system import settings

INTERVAL_S = 0.5  # plus 1 s of settings cache: a change applies to connections within two seconds

log = structlog.get_logger()


class EgressReload:
    """Applies policies to egresses, by the setting key of each."""

    def __init__(self, egress_by_setting: Mapping[str, Egress]) -> None:
        self._egress_by_setting = egress_by_setting

    async def load(self) -> None:
        """Load and apply every policy. Raises the database's errors: no connection is made without a known policy."""
        for key, egress in self._egress_by_setting.items():
            egress.use_policy(await settings.get_value(key))

    async def run(self) -> None:
        """Reload until cancelled; a failed read keeps the current policies."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.load()
            except (*db.TRANSIENT_ERRORS, msgspec.ValidationError) as error:
                log.warning("egress.policy_reload_failed", error=type(error).__name__)
