"""Searches names for a text, ignoring case; SQLite and PostgreSQL find the same.

SQLite's `lower` knows ASCII only, PostgreSQL's depends on the locale of the database, and neither equates ß and SS. So
the names are compared here, and the list's statement filters by the ids found. An index would not help: the text may be
anywhere in a name.
"""

from piccolo.columns import Column
from piccolo.querystring import QueryString

from app import db
from app.domain.parsing.plain_text import fold_case
from app.store.sql import list_parameter


async def matching_ids(text: str | None, key: Column, *names: Column) -> str | None:
    """The keys of rows with the text in one of these columns, as `list_parameter`; None when no text is searched."""
    if not text:
        return None
    searched = fold_case(text)
    rows = await key._meta.table.select(key, *names)  # noqa: SLF001  # Piccolo's own way from a column to its table
    columns = [one._meta.name for one in names]  # noqa: SLF001  # Piccolo has no public name for a column's name
    matches = (row for row in rows if any(searched in fold_case(row[column]) for column in columns))
    return list_parameter(row[key._meta.name] for row in matches)  # noqa: SLF001  # Piccolo has no public name for a column's name


def matches_sql(key: str, number: int) -> str:
    """The condition that a key is among those of `matching_ids` in parameter `number`; true without a text."""
    return f"(CAST(?{number} AS TEXT) IS NULL OR {key} IN (SELECT value->>0 FROM {{each:{number}}}))"


def is_match(key: Column, matches: str) -> QueryString:
    """The same for a Piccolo query, whose parameters have no numbers."""
    source = "json_each({})" if db.is_sqlite() else "json_array_elements({}::text::json)"
    return QueryString(f"{{}} IN (SELECT value->>0 FROM {source} AS each)", key, matches)
