"""Piccolo's configuration, the engine and our tables: `PICCOLO_CONF=app.piccolo_conf`."""

from typing import Any

from piccolo.conf.apps import AppRegistry

from app import db

APP_REGISTRY = AppRegistry(apps=["migrations.piccolo_app"])

__all__ = ["APP_REGISTRY", "DB"]  # noqa: F822  # created on demand, below


def __getattr__(name: str) -> Any:
    if name == "DB":
        return db.engine()
    raise AttributeError(name)
