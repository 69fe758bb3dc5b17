"""A monitor whose client library is not installed is refused when it is added, not when it is checked."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.errors import Invalid
from app.security.secrets import sealing
from app.store.transactions import monitors
from schema.monitors import MonitorPatch
from schema.targets import TARGETS
from schema.targets.extras import EXTRAS, missing_extra
from tests import make

TOP = Path(__file__).parents[4]
REFUSED = [{"field": "type", "message": "needs a library that is not installed; `just extra wings` installs it"}]


@pytest.fixture
def require_missing_library(monkeypatch):
    """Makes http a type with a library that is not installed."""
    return lambda: monkeypatch.setitem(EXTRAS, "http", ("no_such_library", "wings"))


async def test_adding_a_monitor_without_its_library_names_the_extra(store, require_missing_library):
    require_missing_library()
    with pytest.raises(Invalid) as raised:
        await monitors.create(make.monitor())
    assert raised.value.details["fields"] == REFUSED


async def test_a_monitor_whose_library_has_gone_can_be_paused_but_not_changed(store, require_missing_library):
    sealing.prepare(store)
    added = (await monitors.create(make.monitor())).monitor
    require_missing_library()
    with pytest.raises(Invalid) as raised:
        await monitors.update(added.id, MonitorPatch(config={"url": "http://127.0.0.1:8/"}))
    assert raised.value.details["fields"] == REFUSED
    assert not (await monitors.set_active(added.id, False)).monitor.active


@pytest.mark.parametrize("type_", sorted(EXTRAS))
def test_every_extra_is_one_of_the_project_and_installed_where_tests_run(type_):
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    module, extra = EXTRAS[type_]
    assert type_ in TARGETS
    assert [re.split(r"[\[<>=]", one)[0] for one in project["optional-dependencies"][extra]]
    assert find_spec(module), f"just extra {extra}"
    assert missing_extra(type_) == ""
