"""aiohttp's response, which keeps the certificate: the connection may be gone before it is read."""

from typing import Self

import aiohttp
from aiohttp.connector import Connection

from schema.heartbeat_texts import MIN_STATUS_CODE


class HttpProbeResponse(aiohttp.ClientResponse):
    """A response; `certificate` is the leaf in DER, None without TLS."""

    certificate: bytes | None = None

    async def start(self, connection: Connection) -> Self:
        """Read the status line and the headers."""
        if connection.transport and (tls := connection.transport.get_extra_info("ssl_object")):
            self.certificate = tls.getpeercert(binary_form=True)
        await super().start(connection)
        if self.status < MIN_STATUS_CODE:
            raise aiohttp.ClientResponseError(self.request_info, self.history, status=0, message="Bad status code")
        return self
