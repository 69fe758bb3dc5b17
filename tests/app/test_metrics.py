"""Pages of several processes become one, and every sample says whose it is."""

from time import time

import msgspec

from app import metrics, queue as queues
from app.settings import Settings

PAGE = '# HELP checks_total Checks\n# TYPE checks_total counter\nchecks_total{kind="http"} 3.0\n'


def test_a_family_of_several_nodes_is_written_once() -> None:
    (family,) = metrics.merge_pages({"a": PAGE, "b": PAGE.replace("3.0", "4.0")})
    assert [(one.labels, one.value) for one in family.samples] == [
        ({"kind": "http", "node": "a"}, 3.0),
        ({"kind": "http", "node": "b"}, 4.0),
    ]


async def test_a_page_that_is_no_longer_renewed_is_left_out(queue: Settings) -> None:
    await _published("fresh", time())
    await _published("silent", time() - metrics.MAX_AGE_S - 1)
    page = await metrics.render_page("own")
    assert 'node="fresh"' in page
    assert 'node="silent"' not in page


async def test_a_page_of_long_ago_is_removed(queue: Settings) -> None:
    await _published("gone", time() - metrics.REMOVE_AFTER_S - 1)
    await metrics.render_page("own")
    assert await queues.client().hkeys(metrics.KEY) == []


async def _published(node: str, at_s: float) -> None:
    await queues.client().hset(metrics.KEY, node, msgspec.json.encode(metrics.PublishedMetrics(at_s, PAGE)).decode())
