"""Pagination: a list is returned whole under its own name, or as a page when `page` or `limit` is given."""

from typing import Annotated, Generic, Literal, TypeVar

from litestar.params import QueryParameter
from msgspec import Struct

from schema.pagination import Pagination, pagination_of
from schema.status import Status

MAX_UNPAGED = 1_000  # resources in a list that is not paged
DEFAULT_LIMIT = 20

Page = Annotated[int | None, QueryParameter(ge=1, le=1_000_000, description="The number of the page, from 1.")]
Limit = Annotated[int | None, QueryParameter(ge=1, le=100, description="Items per page. Default: 20.")]
PageNumber = Annotated[int, QueryParameter(ge=1, le=1_000_000, description="From 1.")]
PerPage = Annotated[int, QueryParameter(ge=1, le=100, description="Items per page.")]
Search = Annotated[
    str | None, QueryParameter(max_length=150, description="Only those whose name contains this text, ignoring case.")
]
TagFilter = Annotated[
    str | None, QueryParameter(max_length=100, description="Only those with this tag, by id or name.")
]
Order = Literal["asc", "desc"]
Query = TypeVar("Query")
# Clients store the numbers, people use the names.
StatusFilter = Literal["0", "1", "2", "3", "4", "5", "down", "up", "pending", "maintenance", "degraded", "unknown"]


class Window(Struct, frozen=True):
    """The requested part of a list.

    page    None for the whole list
    """

    page: int | None
    limit: int

    @property
    def offset(self) -> int:
        """How many resources come before the page."""
        return 0 if self.page is None else (self.page - 1) * self.limit


class ListRequest(Struct, Generic[Query], frozen=True):
    """A list request: the filters and order, and the requested part."""

    query: Query
    window: Window


def window_of(page: int | None, limit: int | None) -> Window:
    """The requested page, or the whole list without `page` and `limit`."""
    if page is None and limit is None:
        return Window(None, MAX_UNPAGED)
    return Window(page or 1, limit or DEFAULT_LIMIT)


async def optional_window(page: Page = None, limit: Limit = None) -> Window:
    """`window_of` as a dependency, for lists with many filters."""
    return window_of(page, limit)


async def required_window(page: PageNumber = 1, per_page: PerPage = DEFAULT_LIMIT) -> Window:
    """The page of a list in the form of document 002, which is always paged."""
    return Window(page, per_page)


def page_info(window: Window, total: int) -> Pagination:
    """The position of a page in its list."""
    return pagination_of(window.page or 1, window.limit, total)


def parse_status(word: StatusFilter | None) -> Status | None:
    """The status by its number or name; None stays None."""
    if word is None:
        return None
    return Status(int(word)) if word.isdigit() else Status[word.upper()]


def parse_statuses(word: StatusFilter | None) -> frozenset[Status]:
    """The same as a set; empty for None."""
    status = parse_status(word)
    return frozenset() if status is None else frozenset({status})
