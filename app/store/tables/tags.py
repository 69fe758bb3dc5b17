"""Tables of tags, and of their monitors and viewers."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class TagRow(Table, tablename="tags"):
    """A tag. `name_key` is its case-folded name, and unique."""

    id = Text(primary_key=True)
    name = Text()
    name_key = Text(unique=True)
    color = Text()
    description = Text(default="")
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class MonitorTagRow(Table, tablename="monitor_tags"):
    """A monitor has a tag."""

    tag_id = Text(primary_key=True)
    monitor_id = Text(primary_key=True, index=True)


class ViewerTagRow(Table, tablename="viewer_tags"):
    """A viewer may see monitors with this tag. Viewers without any tag see everything."""

    user_id = Text(primary_key=True)
    tag_id = Text(primary_key=True, index=True)
