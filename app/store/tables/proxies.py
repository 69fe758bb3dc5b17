"""Rows of proxies, and of which monitors go through them."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class ProxyRow(Table, tablename="proxies"):
    """A way out. `config` is JSON with its password sealed."""

    id = Text(primary_key=True)
    name = Text()
    protocol = Text()
    config = Text()
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class MonitorProxyRow(Table, tablename="proxy_uses"):
    """A monitor and the proxy that its checks go through."""

    monitor_id = Text(primary_key=True)
    proxy_id = Text(index=True)
