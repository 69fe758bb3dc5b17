"""Validates that a Transact-SQL query is a single statement that reads. Pure.

SQL Server has no read-only transactions, and accepts several statements without a separator: `SELECT 1 DELETE t`.
Each statement but the first begins with a reserved word or has a semicolon before it, so a query without either is one
statement. Quoted text is removed first; text that the server might parse differently is rejected.
"""

import re

QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[(?:[^\]]|\]\])*\]")
QUOTES = re.compile(r"['\"\[\]]")
SEPARATORS = re.compile(r"--|/\*|\*/|[;{}]")  # braces are ODBC's: `{call …}`
WORD = re.compile(r"[A-Za-z_@#][A-Za-z0-9_@#$]*")
NUMBER = re.compile(r"(?<![A-Za-z0-9_@#])[0-9][A-Za-z0-9_@#$.]*")
PLAIN_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+(?:\.[0-9]*)?(?:[eE][0-9]*)?")  # `1DELETE` is a number and a word
FORBIDDEN_WORDS = frozenset(
    {
        "ADD",
        "ALTER",
        "BACKUP",
        "BEGIN",
        "BREAK",
        "BULK",
        "CHECKPOINT",
        "CLOSE",
        "COMMIT",
        "CONTINUE",
        "CREATE",
        "DBCC",
        "DEALLOCATE",
        "DECLARE",
        "DELETE",
        "DENY",
        "DISABLE",
        "DROP",
        "DUMP",
        "ENABLE",
        "EXEC",
        "EXECUTE",
        "GET",
        "GOTO",
        "GRANT",
        "IF",
        "INSERT",
        "INTO",
        "KILL",
        "LINENO",
        "LOAD",
        "MERGE",
        "MOVE",
        "OPEN",
        "OPENDATASOURCE",
        "OPENQUERY",
        "OPENROWSET",
        "PRINT",
        "RAISERROR",
        "READTEXT",
        "RECEIVE",
        "RECONFIGURE",
        "RENAME",
        "RESTORE",
        "RETURN",
        "REVERT",
        "REVOKE",
        "ROLLBACK",
        "SAVE",
        "SEND",
        "SET",
        "SETUSER",
        "SHUTDOWN",
        "THROW",
        "TRUNCATE",
        "UPDATE",
        "UPDATETEXT",
        "USE",
        "WAITFOR",
        "WHILE",
        "WRITETEXT",
    }
)
NEXT_VALUE = re.compile(r"\bNEXT\s+VALUE\b", re.IGNORECASE)  # it advances a sequence, which a rollback does not undo


def require_single_statement(query: str) -> None:
    """Raises ValueError for a query that may be several statements or may change data."""
    bare = QUOTED.sub(" ", query).strip().removesuffix(";")
    if QUOTES.search(bare):
        raise ValueError("`query` has a quote that does not end")
    if SEPARATORS.search(bare):
        raise ValueError("`query` must be one statement without comments and braces")
    if not bare.isascii():
        raise ValueError("`query` must have names with letters beyond ASCII in brackets")
    if any(PLAIN_NUMBER.fullmatch(one) is None for one in NUMBER.findall(bare)):
        raise ValueError("`query` must have a space between a number and a word")
    if found := sorted(FORBIDDEN_WORDS.intersection(word.upper() for word in WORD.findall(bare))):
        raise ValueError(f"`query` must not have {', '.join(found)} outside of quotes and brackets")
    if NEXT_VALUE.search(bare):
        raise ValueError("`query` must not take the next value of a sequence")
