"""Tells Piccolo where our migrations are. Tables are declared in `app.store.tables`; migrations write their own SQL."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

APP_CONFIG = AppConfig(
    app_name="watchkeeper",
    migrations_folder_path=str(Path(__file__).parent),
    table_classes=[],
    migration_dependencies=[],
    commands=[],
)
