"""An OpenLDAP server of the tests: a private process with a plain and a TLS port."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from bench.ports import unused_port
from tests.actors.probes import certificates
from tests.actors.probes.server_processes import program, running

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {place}/ca.pem
TLSCertificateFile {place}/leaf.pem
TLSCertificateKeyFile {place}/leaf.pem
{more}
database mdb
maxsize 10485760
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw secret
directory {place}/db
"""


class Directory(Struct):
    """An OpenLDAP server: its plain port and its TLS port."""

    plain: int
    tls: int


@contextlib.contextmanager
def slapd(place: Path, entries: str, more: str = "") -> Iterator[Directory]:
    """A directory with these entries (LDIF).

    more    lines of its configuration
    """
    server = program("slapd", "slapd")
    (place / "db").mkdir()
    certificates.served(place)
    (place / "ca.pem").write_bytes(certificates.authority()[0].public_bytes(Encoding.PEM))
    (place / "slapd.conf").write_text(CONFIGURATION.format(place=place, more=more))
    (place / "entries.ldif").write_text(entries)
    add = [program("slapadd", "slapd"), "-q", "-f", str(place / "slapd.conf"), "-l", str(place / "entries.ldif")]
    subprocess.run(add, check=True, capture_output=True)
    ports = Directory(unused_port(), unused_port())
    addresses = f"ldap://127.0.0.1:{ports.plain} ldaps://127.0.0.1:{ports.tls}"
    with running([server, "-d", "0", "-h", addresses, "-f", str(place / "slapd.conf")], place, ports.plain, ports.tls):
        yield ports
