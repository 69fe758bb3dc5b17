"""Rows of tags, of which monitors bear them, and of which viewers see by them."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class TagRow(Table, tablename="tags"):
    """A tag. `folded` is its name without regard to case, and unique."""

    id = Text(primary_key=True)
    name = Text()
    folded = Text(unique=True)
    color = Text()
    description = Text(default="")
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class MonitorTagRow(Table, tablename="monitor_tags"):
    """Monitor and tag."""

    tag_id = Text()
    monitor_id = Text(index=True)


class ViewerTagRow(Table, tablename="viewer_tags"):
    """A viewer, and a tag by which they see. Viewers without any see everything."""

    user_id = Text()
    tag_id = Text(index=True)
