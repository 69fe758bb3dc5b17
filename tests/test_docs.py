"""The documentation is complete: links, paths, signatures, and a row for everything that has a name."""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import actors
import app
from app import errors
from app.api.http import audit_actions, errors as replies
from app.api.live import connection
from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text import liquid, template_variables
from schema import targets
from schema.deliveries import ReasonCode
from schema.events import EventKind
from schema.monitors import DRAFTS, MonitorDraft
from schema.settings import CATALOGUE
from tests.log_calls import read_events

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PLACE = re.compile(r"`((?:actors|app|bench|deploy|docs|migrations|schema|tests)/[\w./-]*)`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = message_from_event(sample_events.sample_event(EventKind.MONITOR_DOWN), "1")


def text_of(*parts: str) -> str:
    return DOCS.joinpath(*parts).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    return re.split(r"^## ", page.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def column(table: str, number: int) -> list[str]:
    """What stands in backticks at the beginning of a column, row by row."""
    cells = [row.split("|")[number].strip() for row in table.splitlines() if row.startswith("| ")]
    return [found.group(1) for cell in cells if (found := re.match(r"`([^`]+)`", cell))]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of headings."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(there), f"{page}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_is_there(page: Path) -> None:
    missing = [place for place in PLACE.findall(page.read_text(encoding="utf-8")) if not (ROOT / place).exists()]
    assert missing in ([], ["bench/out/"])  # made by the first measurement


def test_every_page_is_in_an_index() -> None:
    for index in (DOCS / "README.md", DOCS / "decisions" / "README.md", DOCS / "monitors" / "README.md"):
        pages = {page.name for page in index.parent.glob("*.md")} - {index.name}
        assert pages <= {target for target, _ in LINK.findall(index.read_text(encoding="utf-8"))}


def test_decisions_are_numbered_with_context_decision_and_price() -> None:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        title, *headings = HEADING.findall(page.read_text(encoding="utf-8"))
        assert title.startswith(f"{number}. ")
        assert headings == ["Context", "Decision", "Price"]


def modules() -> Iterator[str]:
    for package in (app, actors):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield found.name


METRIC = re.compile(r"\b(?:watchkeeper_\w+|http_requests_total|http_request_duration_seconds)\b")
NO_METRICS = {"watchkeeper_client", "watchkeeper_default"}  # a generated package, and a network of Docker


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    """Everything that /metrics exports, by name."""
    for name in modules():
        importlib.import_module(name)
    families = text_string_to_metric_families(generate_latest().decode())
    named = {one.name + ("_total" if one.type == "counter" else ""): one for one in families}
    return {name: one for name, one in named.items() if METRIC.fullmatch(name)}


def kind_of(metric: Metric) -> str:
    """Type and labels as the page writes them."""
    labels = sorted({label for sample in metric.samples for label in sample.labels} - {"le"})
    return metric.type + (f", by {', '.join(f'`{label}`' for label in labels)}" if labels else "")


def test_every_metric_has_its_row_with_type_and_labels(metrics: dict[str, Metric]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section(text_of("operate.md"), "Metrics"), re.MULTILINE)
    assert dict(rows) == {name: kind_of(metric) for name, metric in metrics.items()}


def test_every_metric_that_a_page_names_is_exported(metrics: dict[str, Metric]) -> None:
    named = {name for page in PAGES for name in METRIC.findall(page.read_text(encoding="utf-8"))}
    assert named - NO_METRICS - metrics.keys() == set()


@pytest.mark.parametrize("label", ["kind", "queue", "reason", "result", "state"])
def test_every_value_of_a_label_has_its_row(metrics: dict[str, Metric], label: str) -> None:
    (values,) = re.findall(rf"^\| `{label}` \| (.+?) \|", section(text_of("operate.md"), "Alerts"), re.MULTILINE)
    samples = [sample.labels for metric in metrics.values() for sample in metric.samples if label in sample.labels]
    assert sorted(re.findall(r"`(\w+)`", values)) == sorted({labels[label] for labels in samples})


LOG_EVENT = re.compile(r"`(\w+\.\w+)`")
CODE_PAGES = {"architecture.md", *(page.name for page in (DOCS / "decisions").glob("*.md"))}


@pytest.fixture(scope="module")
def log_events() -> dict[str, set[str]]:
    """Every event that the product logs, with its levels."""
    found: dict[str, set[str]] = {}
    for path in (path for room in ("app", "actors", "schema", "watchkeeper") for path in (ROOT / room).rglob("*.py")):
        for event, levels in read_events(path.read_text(encoding="utf-8")).items():
            found.setdefault(event, set()).update(levels)
    return found


def test_every_log_event_has_its_row_with_its_levels(log_events: dict[str, set[str]]) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([\w, ]+) \|", section(text_of("operate.md"), "Logs"), re.MULTILINE)
    assert [event for event, _ in rows] == sorted(log_events)
    assert {event: set(levels.split(", ")) for event, levels in rows} == log_events


def test_a_log_event_is_named_area_and_what_happened(log_events: dict[str, set[str]]) -> None:
    assert [event for event in log_events if not re.fullmatch(r"[a-z_]+\.[a-z_]+", event)] == []


def test_every_log_event_that_a_page_names_exists(log_events: dict[str, set[str]]) -> None:
    areas = {event.partition(".")[0] for event in log_events}
    variables = {one.name for one in template_variables.describe_variables(EXAMPLE)}
    others = {*EventKind, *CATALOGUE, *variables, *audit_actions.ACTION_OVERRIDES.values(), "channel.json"}
    named = {
        name
        for page in PAGES
        if page.name not in CODE_PAGES
        for name in LOG_EVENT.findall(page.read_text(encoding="utf-8"))
        if name.partition(".")[0] in areas
    }
    assert named - others - log_events.keys() == set()


def refusals(kind: type[errors.Refusal] = errors.Refusal) -> Iterator[tuple[int, str]]:
    yield kind.status, kind.code
    for narrower in kind.__subclasses__():
        if narrower.__module__.startswith("app."):
            yield from refusals(narrower)


def test_every_refusal_has_its_row() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text_of("api.md"), re.MULTILINE)
    documented = {(int(status), code) for status, code in rows}
    assert documented == {*refusals(), *replies.CODES.items()}


def test_every_event_has_its_row() -> None:
    assert column(section(text_of("api.md"), "Events"), 1) == list(EventKind)


def test_every_reason_code_has_its_row() -> None:
    assert column(section(text_of("deliveries.md"), "Reasons"), 1)[1:] == list(ReasonCode)


def test_every_setting_has_its_row() -> None:
    assert column(section(text_of("api.md"), "Settings"), 1) == sorted(CATALOGUE)


def test_every_variable_of_templates_has_its_row_and_its_meaning() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section(text_of("templates.md"), "Variables"), re.MULTILINE)
    described = template_variables.describe_variables(EXAMPLE)
    assert rows == [(one.name, one.description) for one in described]


def test_every_filter_of_ours_has_its_row() -> None:
    assert column(section(text_of("templates.md"), "Tags and filters"), 1) == sorted(liquid.CUSTOM_FILTERS)


def test_every_close_code_has_its_row() -> None:
    rows = re.findall(r"^\| (\d{4}) \|", text_of("live.md"), re.MULTILINE)
    named = {
        connection.BAD_REQUEST,
        connection.UNAUTHENTICATED,
        connection.SERVICE_RESTART,
        connection.TRY_AGAIN_LATER,
        connection.MESSAGE_TOO_BIG,
        connection.RATE_LIMITED,
    }
    assert {int(code) for code in rows} == named


def test_every_monitor_type_has_a_row_and_a_page() -> None:
    assert column(text_of("monitors", "README.md"), 1)[: len(targets.TARGETS)] == list(targets.TARGETS)
    assert {page.stem for page in (DOCS / "monitors").glob("*.md")} == {"README", *targets.TARGETS}


@pytest.mark.parametrize("type_", targets.TARGETS)
def test_every_field_of_a_monitor_type_has_its_row(type_: str) -> None:
    fields = list(targets.TARGETS[type_].__struct_fields__)
    assert column(text_of("monitors", f"{type_}.md"), 1)[: len(fields)] == fields


@pytest.mark.parametrize("page", sorted((DOCS / "monitors").glob("*.md")), ids=lambda page: page.stem)
def test_examples_of_monitors_are_accepted_unchanged(page: Path) -> None:
    for example in JSON.findall(page.read_text(encoding="utf-8")):
        kind = DRAFTS[json.loads(example)["type"]]
        assert isinstance(msgspec.json.decode(example, type=kind), MonitorDraft)


def signatures(module: str) -> dict[str, list[str]]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    made = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name: [arg.arg for arg in (*one.args.args, *one.args.kwonlyargs)] for one in made}


def test_the_seams_are_those_of_the_code() -> None:
    block = FENCE.findall(section(text_of("architecture.md"), "Seams"))[0]
    for part in re.split(r"^# (?=\w+/)", block, flags=re.MULTILINE)[1:]:
        real = signatures(part.split()[0])
        for name, arguments in re.findall(r"def (\w+)\(([^)]*)\)", part):
            documented = re.findall(r"(?:^|, )(\w+)", re.sub(r"\*, ", "", arguments.replace("*args", "")))
            assert documented == real[name], f"{part.split()[0]}: {name}"
