"""Pages of lists."""

from msgspec import Struct


class Pagination(Struct, frozen=True, kw_only=True):
    """The position of a page in its list."""

    page: int
    limit: int
    total: int
    pages: int
    has_next: bool
    has_prev: bool


def pagination_of(page: int, limit: int, total: int) -> Pagination:
    """The pagination of one page; an empty list has one page."""
    pages = max(1, -(-total // limit))
    return Pagination(page=page, limit=limit, total=total, pages=pages, has_next=page < pages, has_prev=page > 1)
