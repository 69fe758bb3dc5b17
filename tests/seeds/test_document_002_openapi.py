"""Document 002, example by example: its explorers, and our document with its examples."""

import msgspec
import pytest

from app.api.openapi import document
from tests.seeds.example import API, covers, example

pytestmark = pytest.mark.either_engine


@pytest.mark.parametrize("path", ["docs", "redoc"])
async def test_the_explorers_are_where_the_document_has_them(client, path):
    response = await client.get(f"{API}/{path}")
    assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        ("CreateCheck", "request", "check_draft"),
        ("UpdateCheck", "request", "check_patch"),
        ("RunAdHocCheck", "request", "ad_hoc_check"),
        ("RunBatch", "request", "batch_request"),
        ("RunAdHocBatch", "request", "ad_hoc_batch"),
        ("ListChecks", "reply", "checks_reply"),
        ("ListResults", "reply", "results_reply"),
        ("GetResultSummary", "reply", "summary_reply"),
        ("ListPlugins", "reply", "plugins_reply"),
        ("RunBatch", "reply", "batch_reply"),
    ],
)
def test_our_openapi_document_has_the_documents_examples(application, operation, path, name):
    spec = msgspec.json.decode(document.build_document(application))
    (found,) = [one for item in spec["paths"].values() for one in item.values() if one["operationId"] == operation]
    part = found["requestBody"] if path == "request" else found["responses"]["200"]
    covers(part["content"]["application/json"]["example"], example(name))
