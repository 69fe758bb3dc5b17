"""TLS servers with oddities: `openssl s_server` processes and their certificates."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.ports import unused_port
from tests.actors.probes.server_processes import program, running

KEYS: dict[str, Any] = {
    "rsa": lambda: rsa.generate_private_key(65_537, 2_048),
    "rsa1024": lambda: rsa.generate_private_key(65_537, 1_024),  # that it is too short is the point
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
VERIFY_ERROR = re.compile(r"verify error:num=\d+:(.+)|SSL routines:[^:]*:([^:]+)")


class Wanted(NamedTuple):
    """What a certificate is like. `names` are alternative ones; those that look like addresses are addresses."""

    names: tuple[str, ...] = ("box.test",)
    common_name: str = "the box"
    days: tuple[float, float] = (-1, 90)  # from now
    key: str = "rsa"
    issuer: str = "root"  # or "link", or "" for itself
    sha1: bool = False
    is_for_clients: bool = False
    as_text: bool = False  # addresses written as names


class Authorities:
    """A root and a link below it; makes certificates and remembers where they are.

    root, link    files with the certificate of each
    stranger      the same of an authority that signed none of it
    """

    def __init__(self, place: Path) -> None:
        self._place, self._made = place, 0
        self._keys = {name: KEYS["rsa"]() for name in ("root", "link")}
        self._certificates = {"root": self._authority("root", "root")}
        self._certificates["link"] = self._authority("link", "root")
        self.root, self.link = (self._written(f"{name}.pem", self._certificates[name]) for name in ("root", "link"))
        self.stranger, _ = self.pair(Wanted(issuer=""))
        self.root_key = self._key_written("root.key", self._keys["root"])

    def pair(self, wanted: Wanted) -> tuple[Path, Path]:
        """Files with a certificate and its key."""
        self._made += 1
        key = KEYS[wanted.key]()
        by = "" if wanted.sha1 else wanted.issuer  # what is signed again must be its own issuer until then
        signer, subject = self._keys.get(by, key), _name(wanted.common_name)
        issuer = _name(by) if by else subject
        builder = _dated(
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number()), wanted
        )
        if wanted.names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(wanted)), critical=False)
        if wanted.is_for_clients:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        made = builder.sign(signer, None if wanted.key == "ed25519" and not wanted.issuer else SHA256())
        where = self._written(f"{self._made}.pem", made)
        private = self._key_written(f"{self._made}.key", key)
        if wanted.sha1:
            self._signed_again(where)
        return where, private

    def _signed_again(self, where: Path) -> None:
        """With SHA-1, which the library signs nothing with any more."""
        subprocess.run(
            ["openssl", "x509", "-in", where, "-CA", self.root, "-CAkey", self.root_key, "-sha1", "-out", where],
            check=True,
            capture_output=True,
        )

    def _authority(self, name: str, issuer: str) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            _name(issuer), _name(name), self._keys[name].public_key(), x509.random_serial_number()
        )
        builder = _dated(builder, Wanted(days=(-9, 900)))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return builder.sign(self._keys[issuer], SHA256())

    def _written(self, name: str, certificate: x509.Certificate) -> Path:
        (self._place / name).write_bytes(certificate.public_bytes(Encoding.PEM))
        return self._place / name

    def _key_written(self, name: str, key: Any) -> Path:
        (self._place / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return self._place / name


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _dated(builder: x509.CertificateBuilder, wanted: Wanted) -> x509.CertificateBuilder:
    begins, ends = (datetime.now(UTC) + timedelta(days=days, hours=1) for days in wanted.days)
    return builder.not_valid_before(begins).not_valid_after(ends)


def _names(wanted: Wanted) -> list[x509.GeneralName]:
    return [
        x509.DNSName(one) if wanted.as_text or not one[0].isdigit() else x509.IPAddress(ip_address(one))
        for one in wanted.names
    ]


@contextlib.asynccontextmanager
async def s_server(pair: tuple[Path, Path], place: Path, *options: str) -> AsyncIterator[int]:
    """The port of `openssl s_server` with this certificate; it answers each connection with a page."""
    port = unused_port()
    command = [program("openssl", "openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-www"]
    command += ["-cert", str(pair[0]), "-key", str(pair[1]), *options]
    with running(command, place, port):
        yield port


async def s_client(port: int, name: str, trusted: Path, *options: str) -> str:
    """Empty when `openssl s_client` shakes hands, verifies and gets a page; else what it objects to, in its words."""
    by = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, by, name.rstrip(".")),
        *("-CAfile", str(trusted), "-verify_return_error", "-ign_eof", *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = (await process.communicate(b"GET / HTTP/1.0\r\n\r\n"))[0].decode(errors="replace")
    if not process.returncode:
        return ""
    found = VERIFY_ERROR.search(output)
    return (found[1] or found[2]).strip() if found else output.strip().splitlines()[-1]
