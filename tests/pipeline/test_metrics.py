"""The metrics page of real processes has every documented sample from the start."""

import re
from itertools import product

import aiohttp
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.api.http.request_context import METHODS
from schema.channels import PROVIDERS
from tests.pipeline.waiting import until
from tests.test_docs import column, section, text_of

OPERATE = text_of("operate.md")
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+)(?P<by>[^|]*) \|", re.MULTILINE)
SELECTOR = re.compile(r"\b(?P<name>(?:watchkeeper|http)_\w+)(?:\{(?P<labels>[^}]*)\})?")
LABEL = re.compile(r'(\w+)="([^"]*)"')
Sample = tuple[str, frozenset[tuple[str, str]]]


def label_values() -> dict[str, list[str]]:
    """The documented values of each label."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|$", section(OPERATE, "Alerts"), re.MULTILINE)
    documented_values = {label: re.findall(r"`(\w+)`", values) for label, values in rows}
    return {**documented_values, "type": list(PROVIDERS), "method": sorted(METHODS)}


def documented() -> dict[Sample, str]:
    """Every sample that must be there from the start: name and labels → type."""
    values = label_values()
    found: dict[Sample, str] = {}
    for row in ROW.finditer(section(OPERATE, "Metrics")):
        labels = re.findall(r"`(\w+)`", row["by"])
        name = row["name"] + ("_count" if row["type"] == "histogram" else "")
        for combination in product(*(values[label] for label in labels)):
            found[name, frozenset(zip(labels, combination, strict=True))] = row["type"]
    return found


def samples_of(families: list[Metric]) -> dict[Sample, float]:
    """The page's samples; of several processes the largest value."""
    found: dict[Sample, float] = {}
    for sample in (one for family in families for one in family.samples):
        key = sample.name, frozenset((name, value) for name, value in sample.labels.items() if name != "node")
        found[key] = max(sample.value, found.get(key, 0.0))
    return found


async def test_every_documented_sample_is_there_from_the_start_at_zero(prepared_settings, spawn):
    page, content_types = await _page(prepared_settings, spawn)
    found = samples_of(list(text_string_to_metric_families(page)))
    assert content_types == ["text/plain; version=0.0.4; charset=utf-8"]
    assert [one for one in documented() if one not in found] == []
    counters = [one for one, type_ in documented().items() if type_ == "counter"]
    assert {one: found[one] for one in counters if found[one]} == {}
    for name, labels in selectors():
        assert any(name == there and labels <= theirs for there, theirs in found), (name, labels)


def test_every_alert_rule_queries_a_metric() -> None:
    assert len(selectors()) == len(rules()) > 0


def test_every_metric_of_the_page_has_a_row_that_is_read_here() -> None:
    names = {name.removesuffix("_count") for name, _ in documented()}
    assert names == set(column(section(OPERATE, "Metrics"), 1))


def rules() -> list[str]:
    """The documented alerts' expressions."""
    text = section(OPERATE, "Alerts").partition("```yaml\n")[2].partition("```")[0]
    return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def selectors() -> list[Sample]:
    """The metrics they query, each with its label matchers."""
    found = [one for expression in rules() for one in SELECTOR.finditer(expression)]
    return [(one["name"], frozenset(LABEL.findall(one["labels"] or ""))) for one in found]


async def _page(settings, spawn) -> tuple[str, list[str]]:
    """`/metrics` as soon as each kind of process is in it, and its content types."""
    for command in ("api", "schedule", "work"):
        spawn(command)
    address = f"http://127.0.0.1:{settings.server_port}/metrics"
    read: list[tuple[str, list[str]]] = []

    async def is_whole() -> bool:
        try:
            async with session.get(address) as got:
                read.append((await got.text(), got.headers.getall("Content-Type")))
        except aiohttp.ClientConnectionError:  # not listening yet
            return False
        return all(f'node="{role}-' in read[-1][0] for role in ("api", "scheduler", "worker"))

    async with aiohttp.ClientSession() as session:
        await until(is_whole)
    return read[-1]
