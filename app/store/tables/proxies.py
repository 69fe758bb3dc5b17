"""Tables of proxies, and of the monitors that use them."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class ProxyRow(Table, tablename="proxies"):
    """A proxy. `config` is JSON with an encrypted password."""

    id = Text(primary_key=True)
    name = Text()
    protocol = Text()
    config = Text()
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class MonitorProxyRow(Table, tablename="monitor_proxies"):
    """A monitor and the proxy of its checks."""

    monitor_id = Text(primary_key=True)
    proxy_id = Text(index=True)
