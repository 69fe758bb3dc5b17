"""The commands over the API, against a real server: what they print, and what their exit code says."""

import asyncio
import json

import pytest

from app import clock, live
from app.client import screen
from app.processes import child
from app.store.transactions import monitors, results
from tests import make
from tests.pipeline.target import watched

pytestmark = [pytest.mark.timeout(120), pytest.mark.either_engine]


async def added(*, down: bool = False, **changes) -> str:
    """A monitor that was checked once; its id."""
    changed = await monitors.create(make.monitor(**changes))
    series = changed.schedules[0].series
    snapshots = {one.series: one for one in await monitors.list_snapshots([series])}
    outcome = (make.down if down else make.outcome)(series=series, at_ms=clock.now_ms())
    stored = await results.store_results(make.results(outcome), snapshots, clock.now_ms())
    await live.publish(results.to_heartbeats(stored.heartbeats, snapshots))
    return changed.monitor.id


@pytest.fixture
async def site():
    async with watched() as target:
        yield target


async def test_a_check_that_passes_exits_with_0(watchkeeper, site, spawn):
    spawn("work")
    done = await watchkeeper("check", "http", f"url={site.url}")
    assert done.code == 0, done.err
    head, row = done.out.splitlines()
    assert head.split() == ["STATUS", "TYPE", "TIME", "MESSAGE"]
    assert row.split()[:2] == ["success", "http"]
    assert row.endswith("200 OK")


async def test_a_check_that_fails_exits_with_2_and_one_of_which_nothing_is_known_with_1(watchkeeper, site, spawn):
    spawn("work")
    site.well = False
    failed = await watchkeeper("check", "http", f"url={site.url}", "--json")
    assert (failed.code, json.loads(failed.out)["status"]) == (2, "error")
    unknown = await watchkeeper("check", "http", "url=http://169.254.169.254/")
    assert (unknown.code, unknown.out.splitlines()[1].split()[0]) == (1, "warning")


async def test_a_batch_reports_each_and_exits_with_the_worst(watchkeeper, site, spawn):
    spawn("work")
    good = {"plugin_type": "http", "config": {"url": site.url}}
    request = [*[good] * 11, {"plugin_type": "http", "config": {}}]
    done = await watchkeeper("check", "--file", "-", "--json", stdin=json.dumps(request))
    items = json.loads(done.out)["results"]
    assert [one["result"]["status"] for one in items[:11]] == ["success"] * 11
    assert items[11]["error"].startswith("config.url is required")
    assert (done.code, done.err) == (2, "")
    table = await watchkeeper("check", "--file", "-", stdin=json.dumps(request[-2:]))
    assert [line.split()[0] for line in table.out.splitlines()] == ["STATUS", "success", "error"]


async def test_monitors_are_a_table_or_json(watchkeeper, url):
    one = await added(name="one \x1b[31m red")
    await added(name="two", down=True)
    lines = (await watchkeeper("monitors")).out.splitlines()
    assert lines[0].split() == ["NAME", "TYPE", "STATUS", "SINCE", "(UTC)", "SCHEDULE", "ID"]
    assert lines[1].startswith("one �[31m red")
    assert lines[1].endswith(one)
    assert " down " in lines[2]
    found = json.loads((await watchkeeper("monitors", "--json")).out)
    assert [monitor["name"] for monitor in found] == ["one \x1b[31m red", "two"]


async def test_more_monitors_than_a_page_has_are_all_listed(watchkeeper, url):
    for number in range(101):
        await monitors.create(make.monitor(name=f"n{number}"))
    assert len((await watchkeeper("monitors")).out.splitlines()) == 102


async def test_status_counts_lists_what_is_not_well_and_exits_with_the_worst(watchkeeper, url):
    assert (await watchkeeper("status")).out == "0 monitors\n"
    await added(name="well")
    well = await watchkeeper("status")
    assert (well.code, well.out) == (0, "1 monitors: 1 up\n")
    await monitors.set_active(await added(name="off", down=True), False)
    assert (await watchkeeper("status")).code == 0
    await added(name="ill", down=True)
    ill = await watchkeeper("status")
    assert (ill.code, ill.out.splitlines()[0]) == (2, "3 monitors: 1 down, 1 up, 1 paused")
    assert [line.split()[0] for line in ill.out.splitlines()[1:]] == ["NAME", "ill"]
    printed = json.loads((await watchkeeper("status", "--json")).out)
    assert (printed["total"], printed["statuses"]) == (3, {"down": 1, "up": 1, "paused": 1})


@pytest.mark.parametrize("monitor", ["one", ""])
async def test_tail_prints_heartbeats_as_they_come(environment, tmp_path, monitor):
    await added(name="one")
    arguments = child.own_command("tail", *filter(None, [monitor]))
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = asyncio.create_task(process.stdout.readline())
    (one,), _ = await monitors.list_page(monitors.MonitorQuery())
    snapshots = {1: (await monitors.list_snapshots([1]))[0]}
    while not line.done():
        outcome = make.down(series=1, at_ms=clock.now_ms())
        stored = await results.store_results(make.results(outcome), snapshots, clock.now_ms())
        await live.publish(results.to_heartbeats(stored.heartbeats, snapshots))
        await asyncio.wait([line], timeout=0.2)
    process.terminate()
    await process.communicate()
    assert line.result().decode().split()[2:] == ["down", "34", "ms", one.name, "connection", "refused"]


async def test_tail_of_what_is_not_there_is_one_line(watchkeeper, url):
    done = await watchkeeper("tail", "nobody")
    assert (done.code, done.out, done.err) == (3, "", "watchkeeper: no monitor 'nobody'\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["check", "telepathy"], "plugin_type must be one of"),
        (["check", "http", "colour=red"], "config.url is required"),
        (["check", "http", "url"], "'url' must be name=value"),
        (["check", "--file", "nowhere.json"], "nowhere.json can't be read: No such file or directory"),
        (["check", "--file", "-"], "- must hold a JSON list of checks"),
    ],
)
async def test_an_invalid_request_is_one_line_and_exits_with_3(watchkeeper, arguments, expected):
    done = await watchkeeper(*arguments)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"watchkeeper: {expected}")
    assert done.err.count("\n") == 1


async def test_a_server_that_is_not_there_and_a_token_that_is_wrong_are_one_line(watchkeeper, url):
    away = await watchkeeper("status", WATCHKEEPER_URL="http://127.0.0.1:1")
    assert (away.code, away.err.startswith("watchkeeper: http://127.0.0.1:1 can't be asked: ")) == (3, True)
    strange = await watchkeeper("status", WATCHKEEPER_TOKEN="x")
    assert (strange.code, strange.err.count("\n")) == (3, 1)


async def test_a_type_and_a_file_at_once_are_refused(watchkeeper):
    assert (await watchkeeper("check", "http", "--file", "-")).code == 64
    assert "usage: watchkeeper check" in (await watchkeeper("check")).err


def test_the_bar_is_for_terminals_only(monkeypatch, capsys):
    screen.show_progress(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    screen.show_progress(1, 2)
    assert capsys.readouterr().err == f"\r[{'#' * 15}{'.' * 15}] 1/2"
