"""The document holds nothing that generators of clients trip over, in any place of it.

Each rule has met a generator that wrote code which did not compile, import or run; docs/api.md names them.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import re2

from app.api.openapi import document
from tests.app.api.running_app import built

Node = dict[str, Any]
ROOT = Path(__file__).parents[3]
METHODS = {"get", "post", "put", "patch", "delete", "head"}
OTHERS = {  # what generators write themselves, beside the classes of the document
    *("BasicAuth", "APIKey", "APIClient", "APIResponse", "Configuration", "ServerConfiguration", "GenericOpenAPIError"),
    *("ApiClient", "ApiException", "ApiResponse", "ApiTypeError", "ApiValueError", "OpenApiException", "RESTClient"),
    *("Client", "AuthenticatedClient", "Unset", "File", "Response", "Request", "Error", "Object", "Date", "Map", "Set"),
    *("BaseAPI", "RequiredError", "FetchError", "ResponseError", "Middleware", "Null", "Any", "List", "Dict", "Record"),
}
DUMP = """
import sys
from pathlib import Path
from app import settings
from app.api.openapi import document
from tests.app.api.running_app import built
from app.main import create_app
place = Path(sys.argv[1])
sys.stdout.buffer.write(document.build_document(create_app(settings.read_settings({"DATA_DIR": str(place)}, place))))
"""


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(document.build_document(built("")))
    return found


def nodes(found: Any, at: str = "") -> Iterator[tuple[str, Node]]:
    """Every object of the document that is none of examples, and where it is."""
    is_names = at.endswith("/properties")  # of fields, which may be called like words of the notation
    if isinstance(found, list):
        for number, part in enumerate(found):
            yield from nodes(part, f"{at}/{number}")
    elif isinstance(found, dict):
        if not is_names:
            yield at, found
        for name, part in found.items():
            if is_names or name not in {"example", "examples", "default", "mapping", "enum"}:
                yield from nodes(part, f"{at}/{name}")


def resolved(spec: Node, node: Node) -> Node:
    """What a reference means; anything else is itself."""
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[-2:]
        node = spec["components"][kind][name]
    return node


def operations(spec: Node) -> list[Node]:
    return [one for item in spec["paths"].values() for method, one in item.items() if method in METHODS]


def test_a_choice_has_two_members_and_none_is_a_choice_in_the_same_place(spec: Node) -> None:
    choices = [(at, one[word]) for at, one in nodes(spec) for word in ("oneOf", "anyOf") if word in one]
    assert not [at for at, members in choices if len(members) < 2]
    assert not [at for at, members in choices if any("oneOf" in one or "anyOf" in one for one in members)]


def test_null_stands_last_in_a_choice_and_nowhere_else(spec: Node) -> None:
    for at, one in nodes(spec):
        assert not isinstance(one.get("type"), list), at
        assert one.get("type") != "null" or "/oneOf/" in at, at
        assert {"type": "null"} not in one.get("oneOf", [])[:-1], at


def test_a_choice_of_tagged_structs_has_a_name_and_a_discriminator(spec: Node) -> None:
    for at, one in nodes(spec):
        refs = [resolved(spec, member) for member in one.get("oneOf", []) if "$ref" in member]
        tags = [{name for name, field in ref.get("properties", {}).items() if "const" in field} for ref in refs]
        if len(refs) > 1 and set.intersection(*tags):
            assert at.startswith("/components/schemas/"), at
            assert len(one["discriminator"]["mapping"]) == len(refs) == len(one["oneOf"]), at


def test_a_component_has_no_default_of_its_own(spec: Node) -> None:
    assert not [name for name, one in spec["components"]["schemas"].items() if "default" in one]


def test_a_default_is_a_plain_value_of_a_plain_type(spec: Node) -> None:
    found = [(at, one) for at, one in nodes(spec) if "default" in one]
    assert not [at for at, one in found if not isinstance(one["default"], str | int | float | bool)]
    assert not [at for at, one in found if "$ref" in one or "allOf" in one]


def test_a_reference_stands_alone_and_leads_somewhere(spec: Node) -> None:
    for at, one in nodes(spec):
        if "$ref" in one:
            assert set(one) == {"$ref"}, at
            assert resolved(spec, one), at


def test_every_component_is_used(spec: Node) -> None:
    used = {one["$ref"] for _, one in nodes(spec) if "$ref" in one}
    assert {f"#/components/schemas/{name}" for name in spec["components"]["schemas"]} <= used


def test_names_are_of_one_kind_and_differ_in_more_than_case(spec: Node) -> None:
    names = list(spec["components"]["schemas"])
    assert not [name for name in names if not (name.isascii() and name.isalnum() and name[0].isupper())]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(one["title"] == name for name, one in spec["components"]["schemas"].items())


def test_no_name_is_one_that_generators_write_themselves(spec: Node) -> None:
    names = set(spec["components"]["schemas"])
    assert not names & OTHERS
    assert not [name for name in names if name.startswith(("New", "Nullable")) and name.removeprefix("New") in names]


def test_a_parameter_is_never_null(spec: Node) -> None:
    for one in (parameter for operation in operations(spec) for parameter in operation.get("parameters", [])):
        assert all(node.get("type") != "null" for _, node in nodes(one)), one["name"]
        assert all(None not in node.get("enum", []) for _, node in nodes(one)), one["name"]


def test_an_enum_names_its_values(spec: Node) -> None:
    enums = {name: one for name, one in spec["components"]["schemas"].items() if "enum" in one}
    assert all(len(one["x-enum-varnames"]) == len(one["enum"]) for one in enums.values())
    status = enums["Status"]
    assert dict(zip(status["x-enum-varnames"], status["enum"], strict=True))["DOWN"] == 0
    assert len(status["x-enum-descriptions"]) == len(status["enum"])


def test_every_pattern_is_one_for_other_languages(spec: Node) -> None:
    """Go, Rust and others have no way to look ahead, and limit how often something is repeated: RE2 is like them."""
    patterns = {(node["pattern"], at) for at, node in nodes(spec) if "pattern" in node}
    assert len(patterns) > 50
    assert [at for pattern, at in patterns if not _is_portable(pattern)] == []


def _is_portable(pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True


def test_a_body_has_one_media_type(spec: Node) -> None:
    sent = [one["requestBody"]["content"] for one in operations(spec) if "requestBody" in one]
    assert sent
    assert all(len(content) == 1 for content in sent)


def test_paths_methods_and_schemas_are_in_one_order(spec: Node) -> None:
    assert list(spec["paths"]) == sorted(spec["paths"])
    assert list(spec["components"]["schemas"]) == sorted(spec["components"]["schemas"])
    for item in spec["paths"].values():
        assert list(item) == [method for method in document.METHODS if method in item]


def test_the_document_is_the_same_twice_in_one_process() -> None:
    first, second = (document.build_document(built.__wrapped__("")) for _ in range(2))
    assert first == second


@pytest.mark.timeout(240)  # two processes that import everything, on whatever else is running
def test_every_process_makes_the_same_document(tmp_path: Path) -> None:
    assert built_with("1", tmp_path) == built_with("2", tmp_path)


def built_with(seed: str, place: Path) -> str:
    """The digest of the document as another process makes it, with sets in another order."""
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", DUMP, str(place)], cwd=ROOT, env=environ, check=True, capture_output=True, timeout=120
    )
    assert len(done.stdout) > 100_000, done.stderr
    return hashlib.sha256(done.stdout).hexdigest()
