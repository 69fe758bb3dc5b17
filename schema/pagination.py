"""Pages of lists."""

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Page = Annotated[int, Meta(ge=1, le=1_000_000)]
Limit = Annotated[int, Meta(ge=1, le=100)]


class Pagination(Struct, frozen=True, kw_only=True):
    """The position of a page in its list."""

    page: int
    limit: int
    total: int
    pages: int
    has_next: bool
    has_prev: bool


class Paged(Struct, Generic[T], frozen=True):
    """`{"data": [...], "pagination": {...}}`: the response to `page` or `limit`."""

    data: list[T]
    pagination: Pagination


def pagination_of(page: int, limit: int, total: int) -> Pagination:
    """The pagination of one page; an empty list has one page."""
    pages = max(1, -(-total // limit))
    return Pagination(page=page, limit=limit, total=total, pages=pages, has_next=page < pages, has_prev=page > 1)
