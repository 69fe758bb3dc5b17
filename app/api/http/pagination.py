"""Lists, as every noun gives them: whole under their own name, or paged when `page` or `limit` is asked for."""

from typing import Annotated, Generic, Literal, TypeVar

from litestar.params import QueryParameter
from msgspec import Struct

from schema.pagination import Pagination, pagination_of
from schema.status import Status

MAX_UNPAGED = 1_000  # things in a list that is not paged
DEFAULT_LIMIT = 20

Page = Annotated[int | None, QueryParameter(ge=1, le=1_000_000, description="From 1; asks for a page.")]
Limit = Annotated[int | None, QueryParameter(ge=1, le=100, description="Things on a page; asks for one. Default: 20.")]
PageNumber = Annotated[int, QueryParameter(ge=1, le=1_000_000, description="From 1.")]
PerPage = Annotated[int, QueryParameter(ge=1, le=100, description="Things on a page.")]
Search = Annotated[str | None, QueryParameter(max_length=150, description="Part of the name, without regard to case.")]
TagFilter = Annotated[str | None, QueryParameter(max_length=100, description="Id or name of a tag they bear.")]
Order = Literal["asc", "desc"]
Query = TypeVar("Query")
StatusFilter = Literal[
    "0", "1", "2", "3", "4", "5", "down", "up", "pending", "maintenance", "degraded", "unknown"
]  # clients store the numbers, people say the names


class Window(Struct, frozen=True):
    """Which part of a list is asked for.

    page    None for the whole list
    """

    page: int | None
    limit: int

    @property
    def offset(self) -> int:
        """Things before the page."""
        return 0 if self.page is None else (self.page - 1) * self.limit


class ListRequest(Struct, Generic[Query], frozen=True):
    """What a list is asked for: which things, and which part of them."""

    query: Query
    window: Window


def window_of(page: int | None, limit: int | None) -> Window:
    """The page asked for; without `page` and `limit` the whole list."""
    if page is None and limit is None:
        return Window(None, MAX_UNPAGED)
    return Window(page or 1, limit or DEFAULT_LIMIT)


async def optional_window(page: Page = None, limit: Limit = None) -> Window:
    """The same as a dependency, for lists with many filters."""
    return window_of(page, limit)


async def required_window(page: PageNumber = 1, per_page: PerPage = DEFAULT_LIMIT) -> Window:
    """The page of a list in document 002's form, which always has one."""
    return Window(page, per_page)


def page_info(part: Window, total: int) -> Pagination:
    """Where in the list a page is."""
    return pagination_of(part.page or 1, part.limit, total)


def parse_status(word: StatusFilter | None) -> Status | None:
    """A status by number or by name; None stays None."""
    if word is None:
        return None
    return Status(int(word)) if word.isdigit() else Status[word.upper()]


def parse_statuses(word: StatusFilter | None) -> frozenset[Status]:
    """The same for a list that takes several; empty for None."""
    found = parse_status(word)
    return frozenset() if found is None else frozenset({found})
