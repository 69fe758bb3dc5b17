"""The explorers' files are made once, by another process, and sent as few times as can be."""

import asyncio
import gzip
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.pages import explorer_bundle, explorer_files
from app.pages.explorer_files import ExplorerFiles
from tests.app.api.running_app import Client

pytestmark = pytest.mark.either_engine

SPEC = "/api/v1/openapi.json"
SCRIPT = "/explorer/swagger-ui-bundle.js"
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("path", [SPEC, SCRIPT, "/explorer/swagger-ui.css", "/explorer/redoc.standalone.js"])
async def test_a_file_is_compressed_when_the_client_accepts_it(client: Client, path: str) -> None:
    packed = await client.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    plain = await client.get(path, headers=PLAIN)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content  # the client unpacked it
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
    assert {one.headers["Vary"] for one in (packed, plain)} == {"Accept-Encoding"}
    assert packed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", [SPEC, SCRIPT])
async def test_a_cached_file_is_not_sent_again(client: Client, path: str, encoding: str) -> None:
    first = await client.get(path, headers={"Accept-Encoding": encoding})
    for tag in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"another", {first.headers["ETag"]}'):
        again = await client.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    other = await client.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": '"another"'})
    assert other.status_code == 200


async def test_a_head_has_the_length(client: Client) -> None:
    head, got = await client.head(SPEC, headers=PLAIN), await client.get(SPEC, headers=PLAIN)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0, *", False),
        ("identity", False),
    ],
)
def test_accepting_gzip(accept: str, *, takes: bool) -> None:
    assert explorer_files.accepts_gzip(accept) is takes


async def test_a_file_that_is_none_of_them_is_not_there(client: Client) -> None:
    for name in ("nothing.js", "%2e%2e", "%2e%2e%2fsecret.key", f"{explorer_bundle.SPEC_FILE}.gz"):
        assert (await client.get(f"/explorer/{name}")).status_code == 404


@pytest.mark.timeout(240)  # a process that imports everything, on whatever else is running
async def test_concurrent_requests_make_it_once_in_another_process(tmp_path: Path) -> None:
    fresh = ExplorerFiles(tmp_path)
    folders = await asyncio.gather(*(fresh.get_folder() for _ in range(20)))
    assert len(set(folders)) == 1
    assert names_in(tmp_path) == {explorer_files.build_digest()}
    made = names_in(folders[0])
    assert made == {
        *explorer_bundle.MEDIA_TYPE_OF,
        *(f"{name}.gz" for name in explorer_bundle.MEDIA_TYPE_OF if name not in explorer_bundle.UNCOMPRESSED),
    }
    text = (folders[0] / explorer_bundle.SPEC_FILE).read_bytes()
    assert gzip.decompress((folders[0] / f"{explorer_bundle.SPEC_FILE}.gz").read_bytes()) == text


def names_in(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


async def test_existing_explorer_files_are_not_rebuilt(tmp_path: Path) -> None:
    folder = tmp_path / explorer_files.build_digest()
    folder.mkdir()
    assert await ExplorerFiles(tmp_path).get_folder() == folder
    assert not names_in(folder)


async def test_a_place_that_takes_no_files_is_a_refusal_and_not_tried_with_every_request(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = ExplorerFiles(tmp_path / "file")
    with pytest.raises(Unavailable):
        await broken.get_folder()
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await broken.get_folder()
    assert broken._retry_at > began  # the second one found the bar, and started nothing


def test_only_the_build_command_builds_the_openapi_document() -> None:
    root = Path(explorer_files.__file__).parents[2]
    callers = [
        str(path.relative_to(root))
        for folder in ("app", "actors", "schema")
        for path in (root / folder).rglob("*.py")
        if "document.build_document(" in path.read_text()
    ]
    assert callers == ["app/commands/build_explorer.py"]
