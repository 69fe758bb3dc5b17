"""Prometheus metrics of all processes on one page: each publishes its own in Redis, `/metrics` merges them."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import time
from typing import cast

import msgspec
from msgspec import Struct
from prometheus_client import REGISTRY, CollectorRegistry, Metric, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from app import queue

KEY = "wk:metrics"
FIRST_PUBLISH_S = 1.0  # a start is busy, and a process that lives shorter has nothing to report
PUBLISH_INTERVAL_S = 10.0
MAX_AGE_S = 35.0  # three publications may be missed
REMOVE_AFTER_S = 3_600.0  # then the field is removed
disable_created_metrics()  # type: ignore[no-untyped-call]  # a *_created series for each one would double the page


class PublishedMetrics(Struct, frozen=True):
    """One node's metrics. `at_s` is epoch seconds."""

    at_s: float
    text: str


class MergedCollector(Collector):
    """Metric families as a collector, which `generate_latest` requires."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """The families."""
        return iter(self._families)


def process_metrics() -> str:
    """This process's metrics."""
    return _exposition(REGISTRY)


def _exposition(families: Collector) -> str:
    return generate_latest(cast(CollectorRegistry, families)).decode()


async def publish(node: str) -> None:
    """Publish this process's metrics for `/metrics` periodically, until cancelled."""
    try:
        await asyncio.sleep(FIRST_PUBLISH_S)
        while True:
            with suppress(RedisError, OSError):  # Redis away: `nodes.register` logs it for both
                await publish_once(node)
            await asyncio.sleep(PUBLISH_INTERVAL_S)
    finally:
        with suppress(RedisError, OSError):  # Redis away: the field expires from the page
            await queue.client().hdel(KEY, node)


async def publish_once(node: str) -> None:
    """Publish them once. Raises RedisError."""
    await queue.client().hset(KEY, node, msgspec.json.encode(PublishedMetrics(time(), process_metrics())))


async def render_page(node: str) -> str:
    """One page: current metrics of this process, and those that the others published; without Redis only ours.

    node    our id: every sample is labelled with its node
    """
    texts = {**await _read_published(), node: process_metrics()}
    return _exposition(MergedCollector(merge_pages(texts)))


async def _read_published() -> dict[str, str]:
    try:
        raw = await queue.client().hgetall(KEY)
    except (RedisError, OSError):
        return {}
    pages = {_decode_name(field): msgspec.json.decode(text, type=PublishedMetrics) for field, text in raw.items()}
    if expired := [field for field, one in pages.items() if abs(time() - one.at_s) > REMOVE_AFTER_S]:
        await queue.client().hdel(KEY, *expired)
    return {field: one.text for field, one in pages.items() if abs(time() - one.at_s) < MAX_AGE_S}


def _decode_name(field: bytes | str) -> str:
    return field if isinstance(field, str) else field.decode()


def merge_pages(texts: dict[str, str]) -> list[Metric]:
    """Merge the families of several pages; every sample is labelled with its node."""
    families: dict[str, Metric] = {}
    for node, text in texts.items():
        for family in text_string_to_metric_families(text):
            merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                merged.add_sample(sample.name, {**sample.labels, "node": node}, sample.value, sample.timestamp)
    return [families[name] for name in sorted(families)]
