"""A secret in every secret field is in no reply, error, log line or metric, nor anywhere in Redis or the database."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from litestar import Litestar

from app import db, log, queue
from app.settings import Settings
from schema.channels import PROVIDERS
from tests.app.api.conftest import application, client
from tests.app.api.running_app import ADMIN_TOKEN, Client
from tests.planted import AT, Planted, fresh, places, planted

__all__ = ["application", "client"]

API = "/api/v1"
PROXY = {"name": "p", "protocol": "socks5", **AT, "username": "ann"}
LISTS = ("monitors", "notification-channels", "proxies", "checks", "heartbeats", "results", "settings", "plugins")
PAGES = ("/metrics", "/health", f"{API}/openapi.json", f"{API}/notification-channels/providers")


@pytest.fixture
def log_file(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Where everything is logged, at the most talkative level."""
    path = tmp_path / "wk.log"
    log.configure(replace(settings, mode="prod", log_file=path, log_level="debug"), "api")
    structlog.configure(cache_logger_on_first_use=False)  # other tests catch what the same loggers say
    yield path
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


@pytest.fixture
def everything(tmp_path: Path) -> list[Planted]:
    """A config for every secret field there is."""
    return [planted(*place, tmp_path) for place in places()]


@pytest.fixture
def api(log_file: Path, client: Client, application: Litestar) -> Client:
    """A client who is admin, whose server logs to the file."""
    client.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return client


def logged(path: Path) -> str:
    """All lines so far."""
    return path.read_text(encoding="utf-8")


def path_of(one: Planted) -> str:
    return f"{API}/notification-channels" if one.type in PROVIDERS else f"{API}/monitors"


def draft_of(one: Planted) -> dict[str, Any]:
    return {"name": "one", "type": one.type, "config": one.config}


async def settled(api: Client, everything: list[Planted]) -> list[str]:
    """Everything added; returns the API's responses to creating and reading it.

    A push token is made for whoever adds the monitor: that one reply shows it.
    """
    bodies, proxy = [], PROXY | {"password": fresh()}
    added = [(path_of(one), draft_of(one)) for one in everything] + [(f"{API}/proxies", proxy)]
    for path, draft in added:
        response = await api.post(path, json=draft)
        assert response.status_code == 201, (draft["config"].keys(), response.text)
        again = [f"{path}/{response.json()['id']}", *views_of(path, response.json()["id"])]
        made = response.text if draft.get("type") != "push" else response.text.replace(draft["config"]["token"], "", 1)
        bodies += [made, *[(await api.get(one)).text for one in again]]
    bodies += [(await api.get(f"{API}/{name}")).text for name in LISTS]
    return bodies + [(await api.get(page)).text for page in PAGES]


def views_of(path: str, id_: str) -> list[str]:
    return [f"{API}/checks/{id_}"] if path.endswith("monitors") else []


def leaked(everything: list[Planted], text: str) -> list[str]:
    """The types whose secret is in the text, as it stands or as JSON holds it."""
    return [one.type for one in everything if one.secret in text or json.dumps(one.secret)[1:-1] in text]


async def in_redis() -> str:
    """Every key and value there is."""
    keys = [key async for key in queue.client().scan_iter()]
    found = [*keys, *[await queue.client().dump(key) for key in keys]]
    return "\n".join(one.decode("latin-1") for one in found if one)


async def in_the_database() -> str:
    """Every row of every table."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if not db.is_sqlite():
        names = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    tables = [row["name"] for row in await db.rows(names)]
    rows = [await db.rows(f'SELECT * FROM "{one}"') for one in tables]
    return str([tuple(dict(row).values()) for some in rows for row in some])


def test_every_type_with_a_secret_is_planted(everything: list[Planted]) -> None:
    assert len(everything) > 35
    assert all(one.secret in json.dumps(one.config).replace("\\n", "\n") for one in everything)


async def test_planted_secrets_appear_nowhere(api: Client, everything: list[Planted], log_file: Path) -> None:
    text = "\n".join(await settled(api, everything))
    assert "planted" not in text
    assert leaked(everything, text) == []
    assert text.count("********") > len(everything)
    for where in (await in_redis(), await in_the_database(), logged(log_file)):
        assert "planted" not in where
        assert leaked(everything, where) == []
        assert where


async def test_a_refusal_does_not_repeat_a_secret(api: Client, everything: list[Planted], log_file: Path) -> None:
    bodies = []
    for one in everything:
        for wrong in spoilt(one):
            response = await api.post(path_of(one), json=wrong)
            assert response.status_code == 422, (one.type, response.text)
            bodies.append(response.text)
        broken = await api.post(path_of(one), content=json.dumps(draft_of(one))[:-1])
        bodies.append(broken.text)
    text = "\n".join(bodies) + logged(log_file)
    assert "planted" not in text
    assert leaked(everything, text) == []


def spoilt(one: Planted) -> Iterator[dict[str, Any]]:
    """The same, wrong in ways that tempt to quote it."""
    draft = draft_of(one)
    yield draft | {"name": 7}
    yield draft | {"colour": one.secret}
    yield draft | {"config": one.config | {"colour": one.secret}}
    yield draft | {"config": one.config | {"assertions": one.secret, "to": one.secret}}
    yield draft | {"config": {name: [value] for name, value in one.config.items()}}
    yield draft | {"type": one.secret}


@pytest.mark.parametrize("url", ["http://ann:{}@127.0.0.1:9/", "http://127.0.0.1:9/ {}", "ftp://{}@host/"])
async def test_credentials_in_an_address_are_refused_and_not_repeated(api: Client, log_file: Path, url: str) -> None:
    secret = fresh()
    response = await api.post(
        f"{API}/monitors", json={"name": "m", "type": "http", "config": {"url": url.format(secret)}}
    )
    assert response.status_code == 422
    assert secret not in response.text + logged(log_file)
