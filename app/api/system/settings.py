"""Settings over HTTP, which admins change without a restart."""

from litestar import Controller, Response, delete, get, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from app.api.http import etags
from app.security.auth.policy import ADMIN
from app.store.system import settings
from app.store.versions import ExpectedVersion
from schema.settings import Setting, SettingPatch

VERSIONED = {"refusals": [412]}


class SettingList(Struct, frozen=True, kw_only=True):
    """Every setting."""

    settings: list[Setting]
    total: int


class SettingController(Controller):
    """Settings that every process applies within two seconds."""

    path = "/settings"
    tags = ("Settings",)
    guards = (ADMIN,)
    dependencies = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListSettings")
    async def list_settings(self) -> SettingList:
        """List every setting with its default and its description."""
        found = await settings.list_all()
        return SettingList(settings=found, total=len(found))

    @get("/key/{key:str}", operation_id="GetSetting")
    async def get_setting(self, key: FromPath[str]) -> Response[Setting]:
        """Get one setting."""
        return etags.with_etag(await settings.get(key))

    @put("/key/{key:str}", operation_id="UpdateSetting", opt=VERSIONED)
    async def update_setting(
        self, key: FromPath[str], data: JSONBody[SettingPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Setting]:
        """Update a setting. Absent fields of its value stay."""
        return etags.with_etag(await settings.update(key, data, version=version))

    @delete("/key/{key:str}", operation_id="ResetSetting", opt=VERSIONED)
    async def reset_setting(self, key: FromPath[str], version: NamedDependency[ExpectedVersion]) -> None:
        """Reset a setting to its default."""
        await settings.reset(key, version=version)
