"""Settings over HTTP: what admins change while everything runs."""

from litestar import Controller, Response, delete, get, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from app.api.http import etags
from app.security.auth.policy import ADMIN
from app.store.system import settings
from schema.settings import Setting, SettingPatch

VERSIONED = {"refusals": [412]}


class SettingList(Struct, frozen=True, kw_only=True):
    """All there are."""

    settings: list[Setting]
    total: int


class SettingController(Controller):
    """What every process follows within two seconds."""

    path = "/settings"
    tags = ("Settings",)
    guards = (ADMIN,)
    dependencies = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListSettings")
    async def list_settings(self) -> SettingList:
        """List every setting, with its default and its meaning."""
        found = await settings.list_all()
        return SettingList(settings=found, total=len(found))

    @get("/key/{key:str}", operation_id="GetSetting")
    async def get_setting(self, key: FromPath[str]) -> Response[Setting]:
        """Read one setting."""
        return etags.with_etag(await settings.get(key))

    @put("/key/{key:str}", operation_id="UpdateSetting", opt=VERSIONED)
    async def update_setting(
        self, key: FromPath[str], data: JSONBody[SettingPatch], version: NamedDependency[int | None]
    ) -> Response[Setting]:
        """Change a setting. Fields of its value that are absent stay."""
        return etags.with_etag(await settings.update(key, data, version=version))

    @delete("/key/{key:str}", operation_id="ResetSetting", opt=VERSIONED)
    async def reset_setting(self, key: FromPath[str], version: NamedDependency[int | None]) -> None:
        """Go back to the default."""
        await settings.reset(key, version=version)
