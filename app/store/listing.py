"""Lists: one page of a resource's rows, in an order, and the total count, in two statements.

Written as SQL: resources join, search and order by expressions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from app import db

MAX_PAGE_SIZE = 1_000  # rows in one response


class ListQuery(Struct, frozen=True, kw_only=True):
    """Which part of a list, in which order. Queries of resources add their filters.

    sort    one of the resource's `SORTS`
    """

    sort: str = "name"
    descending: bool = False
    limit: int = MAX_PAGE_SIZE
    offset: int = 0


class Listing(Struct, frozen=True, kw_only=True):
    """How rows of a resource are listed.

    select   the rows, without conditions; its own parameters follow those of `filters`
    count    their number as `n`, without conditions
    filters  the conditions of both, whose parameters are ?1, ?2 …
    sorts    sort → SQL expression
    key      a unique column, which orders what is equal
    """

    select: str
    count: str
    filters: str
    sorts: Mapping[str, str]
    key: str

    async def read(self, query: ListQuery, filters: Sequence[Any], *others: Any) -> tuple[Any, int]:
        """The rows of a page, and how many there are in all.

        filters  parameters of `filters`
        others   parameters of `select`
        """
        (counted,) = await db.rows(self.count + self.filters, *filters)
        direction = "DESC" if query.descending else "ASC"
        order = f"{self.sorts[query.sort]} {direction}, {self.key} {direction}"
        limit = len(filters) + len(others) + 1
        found = await db.rows(
            f"{self.select}{self.filters} ORDER BY {order} LIMIT ?{limit} OFFSET ?{limit + 1}",
            *filters,
            *others,
            query.limit,
            query.offset,
        )
        return found, counted["n"]
