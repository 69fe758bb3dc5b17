"""Plugins over HTTP: monitor types in the form of document 002."""

from litestar import Controller, get
from litestar.params import FromPath

from app.domain.compat import plugins
from app.errors import NoSuch
from app.security.auth.policy import VIEWER
from schema.plugins import Plugin, Plugins
from schema.targets import TARGETS


class PluginController(Controller):
    """Types of checks with their config fields."""

    path = "/plugins"
    tags = ("Plugins",)
    guards = (VIEWER,)

    @get(operation_id="ListPlugins", sync_to_thread=False)
    def list_plugins(self) -> Plugins:
        """List every type of check, with its required and optional config."""
        return plugins.list_plugins()

    @get("/{plugin_name:str}", operation_id="GetPlugin", sync_to_thread=False)
    def get_plugin(self, plugin_name: FromPath[str]) -> Plugin:
        """Get one type of check, by its name or an alias."""
        type_ = plugins.ALIASES.get(plugin_name, plugin_name)
        if type_ not in TARGETS:
            raise NoSuch("plugin", plugin_name)
        return plugins.get_plugin(type_)
