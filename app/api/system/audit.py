"""The audit log over HTTP: listed and exported by admins."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct, UnsetType
from msgspec.structs import replace

from app.api.http import pagination, query_params
from app.api.http.audit_actions import AUDITED
from app.api.http.pagination import Limit, ListRequest, Page
from app.api.openapi.bodies import ALTERNATIVE_MEDIA
from app.errors import Invalid
from app.security.auth.policy import ADMIN
from app.store.audit import log
from app.store.audit.log import END_MS, AuditQuery
from schema.audit import AuditEntry, AuditOutcome
from schema.pagination import Pagination

MAX_EXPORTED = 100_000
COLUMNS = AuditEntry.__struct_fields__
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a cell

TextFilter = Annotated[str | None, QueryParameter(max_length=150)]
Cursor = Annotated[int | None, QueryParameter(ge=1, le=2**62, description="The `next_cursor` of the previous page.")]
Since = Annotated[
    datetime | None, QueryParameter(name="from", description="Only entries made at or after this time (RFC 3339).")
]
Until = Annotated[
    datetime | None, QueryParameter(name="to", description="Only entries made before this time (RFC 3339).")
]
ExportFormat = Literal["ndjson", "csv"]
MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
EXPORT_OPTIONS = {AUDITED: True, ALTERNATIVE_MEDIA: [MEDIA_TYPES["csv"]]}
EXPORT_RESPONSES = {
    200: ResponseSpec(str, media_type=MEDIA_TYPES["ndjson"], description="One line per entry.", generate_examples=False)
}


class AuditLog(Struct, frozen=True, kw_only=True):
    """The newest entries, at most 1,000."""

    entries: list[AuditEntry]
    total: Annotated[int, Meta(description="Counted up to 100,000.")]
    next_cursor: int | None


class AuditPage(Struct, frozen=True, kw_only=True):
    """One page. A page that was requested with a cursor has no page numbers."""

    data: list[AuditEntry]
    pagination: Pagination | UnsetType = msgspec.UNSET
    next_cursor: int | None


async def filters(  # noqa: PLR0913, PLR0917  # query parameters
    actor: TextFilter = None,
    action: TextFilter = None,
    resource: TextFilter = None,
    resource_id: TextFilter = None,
    outcome: FromQuery[AuditOutcome | None] = None,
    since: Since = None,
    until: Until = None,
) -> AuditQuery:
    """The filters from the query parameters. Raises Invalid."""
    return AuditQuery(
        actor=actor,
        action=action,
        resource=resource,
        resource_id=resource_id,
        outcome=outcome,
        from_ms=query_params.instant_ms("from", since, 0),
        to_ms=query_params.instant_ms("to", until, END_MS),
    )


async def list_request(
    filters: NamedDependency[AuditQuery], page: Page = None, limit: Limit = None, cursor: Cursor = None
) -> ListRequest[AuditQuery]:
    """The filters with the requested page. Raises Invalid."""
    window = pagination.window_of(page, limit)
    if cursor is not None and window.offset:
        raise Invalid.for_field("page", "must not be given with a `cursor`")
    return ListRequest(replace(filters, before=cursor or END_MS, limit=window.limit, skip=window.offset), window)


class AuditController(Controller):
    """Changes and attempted changes, by caller."""

    path = "/audit"
    tags = ("Audit",)
    guards = (ADMIN,)
    dependencies = {"filters": Provide(filters)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListAuditEntries", dependencies={"list_request": Provide(list_request)})
    async def list_audit_entries(self, list_request: NamedDependency[ListRequest[AuditQuery]]) -> AuditLog | AuditPage:
        """List changes and attempts, newest first. `actor` is an id or a user name."""
        found, next_cursor = await log.list_page(list_request.query)
        if list_request.query.before != END_MS:
            return AuditPage(data=found, next_cursor=next_cursor)
        total = await log.count(list_request.query)
        if list_request.window.page is None:
            return AuditLog(entries=found, total=total, next_cursor=next_cursor)
        page_info = pagination.page_info(list_request.window, total)
        return AuditPage(data=found, pagination=page_info, next_cursor=next_cursor)

    @get("/export", operation_id="ExportAuditLog", opt=EXPORT_OPTIONS, responses=EXPORT_RESPONSES)
    async def export_audit_log(
        self,
        filters: NamedDependency[AuditQuery],
        export_format: Annotated[
            ExportFormat,
            QueryParameter(name="format", description="The format of the export, with one line per entry."),
        ] = "ndjson",
    ) -> Stream:
        """Export the log, newest first, at most 100,000 entries. Continue with `to`. The export itself is recorded."""
        headers = {"Content-Disposition": f'attachment; filename="audit.{export_format}"'}
        return Stream(_export_lines(filters, export_format), media_type=MEDIA_TYPES[export_format], headers=headers)


async def _export_lines(query: AuditQuery, export_format: ExportFormat) -> AsyncIterator[bytes]:
    if export_format == "csv":
        yield _csv_row(COLUMNS)
    async for entry in log.stream_entries(query, MAX_EXPORTED):
        yield _csv_row(_cells(entry)) if export_format == "csv" else msgspec.json.encode(entry) + b"\n"


def _cells(entry: AuditEntry) -> list[str]:
    """An entry as CSV cells, escaped so that no spreadsheet computes them as formulas."""
    fields: dict[str, Any] = msgspec.to_builtins(entry)
    fields["change"] = msgspec.json.encode(entry.change).decode()
    texts = [str(fields[name]) for name in COLUMNS]
    return [f"'{text}" if text.startswith(FORMULA_PREFIXES) else text for text in texts]


def _csv_row(cells: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
