"""Binds, filters and bases with oddities: the output of `ldapsearch`, and the result of a check."""

import os
import subprocess
from typing import Any, NamedTuple

import pytest

from tests import oddities
from tests.actors.probes import certificates
from tests.actors.probes.compared import EXCERPT_CHARS, checked
from tests.actors.probes.server_processes import program
from tests.actors.probes.servers_directory import slapd

PAGE = "ldap"
ADMIN = {"bind_dn": "cn=admin,dc=test", "password": "secret"}
MORE = "access to * by users read by anonymous auth\n"
ENTRIES = """dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: ou=people,dc=test
objectClass: organizationalUnit
ou: people

dn: cn=Ada (1*),ou=people,dc=test
objectClass: inetOrgPerson
cn: Ada (1*)
sn: Lovelace
mail: ada@example.org
userPassword: sesame

dn: cn=Grace\\, Rear Admiral,ou=people,dc=test
objectClass: inetOrgPerson
cn: Grace, Rear Admiral
sn: Hopper
description;lang-de: Admiralin

dn:: Y249SsO8cmdlbixvdT1wZW9wbGUsZGM9dGVzdA==
objectClass: inetOrgPerson
cn:: SsO8cmdlbg==
sn:: TcO8bGxlcg==
userPassword:: cMOkc3N3w7ZydA==

dn: ou=elsewhere,dc=test
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:9/ou=elsewhere,dc=test
"""


class Case(NamedTuple):
    """The config beside host and port, and what the command line is given beyond the same."""

    config: dict[str, Any]
    flags: tuple[str, ...] = ()


def searching(filter_: str, **more: Any) -> Case:
    return Case({**ADMIN, "base": "ou=people,dc=test", "filter": filter_, **more})


def binding(dn: str, password: str) -> Case:
    return Case({"bind_dn": dn, "password": password, "filter": "(objectClass=*)", "scope": "base", "base": "dc=test"})


CASES = {
    "a bind as nobody": Case({"filter": "(objectClass=*)", "scope": "base"}),
    "nobody, where only users may read": Case({"filter": "(sn=*)", "base": "ou=people,dc=test"}),
    "a bind as a user": binding("cn=Ada (1*),ou=people,dc=test", "sesame"),
    "a wrong password": binding("cn=Ada (1*),ou=people,dc=test", "wrong"),
    "a user that is not there": binding("cn=nobody,ou=people,dc=test", "sesame"),
    "a name without a password": binding("cn=Ada (1*),ou=people,dc=test", ""),
    "a name that is none": binding("Ada", "sesame"),
    "a name with a comma in it": binding("cn=Grace\\, Rear Admiral,ou=people,dc=test", "sesame"),
    "a name and a password beyond ASCII": binding("cn=Jürgen,ou=people,dc=test", "pässwört"),
    "a name in other case, with blanks": binding("CN=admin, DC=TEST", "secret"),
    "`(sn=Lovelace)`": searching("(sn=Lovelace)"),
    "`sn=Lovelace`, without parentheses": searching("sn=Lovelace"),
    "`(sn=lovelace)`, in other case": searching("(sn=lovelace)"),
    "`(sn=Müller)`, beyond ASCII": searching("(sn=Müller)"),
    "`(sn=M\\c3\\bcller)`, the same with escapes": searching(r"(sn=M\c3\bcller)"),
    "`(cn=Ada \\281\\2a\\29)`, signs with a meaning as escapes": searching(r"(cn=Ada \281\2a\29)"),
    "`(cn=Ada (1*))`, the same without": searching("(cn=Ada (1*))"),
    "`(cn=Ada \\zz)`, an escape that is none": searching(r"(cn=Ada \zz)"),
    "`(cn=*a*)`": searching("(cn=*a*)"),
    "`(cn=**)`": searching("(cn=**)"),
    "`(&(objectClass=person)(!(mail=*)))`": searching("(&(objectClass=person)(!(mail=*)))"),
    "`(!(mail=*)(sn=*))`, two filters behind `!`": searching("(!(mail=*)(sn=*))"),
    "`(&)`, the filter that is always true (RFC 4526)": searching("(&)"),
    "`( & (sn=Hopper) (cn=*) )`, with blanks": searching("( & (sn=Hopper) (cn=*) )"),
    "`(sn:caseExactMatch:=Lovelace)`, an extensible match": searching("(sn:caseExactMatch:=Lovelace)"),
    "`(ou:dn:=people)`, one that looks at names": searching("(ou:dn:=people)"),
    "`(sn~=Lovelace)`": searching("(sn~=Lovelace)"),
    "`(sn>=M)`": searching("(sn>=M)"),
    "`(description;lang-de=Admiralin)`": searching("(description;lang-de=Admiralin)"),
    "`(nonsense=x)`, an attribute that there is not": searching("(nonsense=x)"),
    "`(sn=Lovelace`, not closed": searching("(sn=Lovelace"),
    "`(sn=Lovelace))`, closed twice": searching("(sn=Lovelace))"),
    "`()`": searching("()"),
    "a search that finds nothing": searching("(sn=Nobody)"),
    "a base that is not there": searching("(sn=*)", base="ou=nowhere,dc=test"),
    "a base of another directory": searching("(sn=*)", base="dc=example"),
    "a base that is no name": searching("(sn=*)", base="people"),
    "a base beyond ASCII": searching("(sn=*)", base="cn=Jürgen,ou=people,dc=test", scope="base"),
    "a base with a comma in it": searching("(sn=*)", base="cn=Grace\\, Rear Admiral,ou=people,dc=test"),
    "an empty base": searching("(objectClass=*)", base="", scope="base"),
    "a base that is elsewhere (a referral)": searching("(ou=*)", base="ou=elsewhere,dc=test"),
    "a search that meets a referral": searching("(objectClass=organizationalUnit)", base="dc=test"),
    "STARTTLS, and nobody to trust": Case({**ADMIN, "security": "starttls"}, ("-ZZ",)),
    "STARTTLS, trusting the authority": Case({**ADMIN, "security": "starttls", "ca_cert": "ours"}, ("-ZZ",)),
    "STARTTLS, certificate ignored": Case({**ADMIN, "security": "starttls", "ignore_tls_errors": True}, ("-ZZ",)),
    "TLS, and nobody to trust": Case({**ADMIN, "security": "tls"}),
    "TLS, trusting the authority": Case({**ADMIN, "security": "tls", "ca_cert": "ours"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An OpenLDAP with people, and a part that is elsewhere."""
    with slapd(tmp_path_factory.mktemp("slapd"), ENTRIES, MORE) as made:
        yield made


def ldapsearch_result(case: Case, url: str, ca: str) -> str:
    """The output of `ldapsearch`; a bind alone is tested by a search for the root."""
    config = {"base": "", "scope": "base", "filter": "(objectClass=*)", **case.config}
    who = ["-D", config["bind_dn"], "-w", config["password"]] if "bind_dn" in config else []
    scope = config["scope"] if "filter" in case.config and "scope" in case.config else "sub"
    scope = "base" if "filter" not in case.config else scope
    command = [program("ldapsearch", "ldap-utils"), "-x", "-LLL", "-H", url, *case.flags, *who, "-b", config["base"]]
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    environ |= {"LDAPTLS_CACERT": ca} if config.get("ca_cert") else {}
    environ |= {"LDAPTLS_REQCERT": "never"} if config.get("ignore_tls_errors") else {}
    done = subprocess.run(
        [*command, "-s", scope, config["filter"], "1.1"], capture_output=True, text=True, env=environ, check=False
    )
    entries = sum(line.startswith("dn:") for line in done.stdout.splitlines())
    if not done.returncode:
        return f"{oddities.YES}: {entries} found" if "filter" in case.config else oddities.YES
    lines = [line.removeprefix("ldapsearch: ") for line in done.stderr.splitlines() if line.strip()]
    return f"{oddities.NO}: {lines[0][:EXCERPT_CHARS] if lines else done.returncode}"


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_ldapsearch(check, server, tmp_path, what):
    case = CASES[what]
    config = dict(case.config)
    ports = {"plain": server.plain, "tls": server.tls}
    port = ports[config.pop("port", "tls" if config.get("security") == "tls" else "plain")]
    scheme = "ldaps" if config.get("security") == "tls" else "ldap"
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates.authority_pem())
    if config.get("ca_cert"):
        config["ca_cert"] = certificates.authority_pem()
    elif config.get("security") and not config.get("ignore_tls_errors"):
        config["ca_cert"] = certificates.pem_of(
            certificates.other_authority()
        )  # the tests' own tools trust our authority
    ours = await checked(check, "ldap", {"host": "127.0.0.1", "port": port, **config}, port=str(port))
    theirs = ldapsearch_result(case, f"{scheme}://127.0.0.1:{port}", str(ca))
    oddities.compare(PAGE, what, oddities.named(theirs, port=str(port)), ours)


def test_the_page_has_these_rows_and_no_others():
    assert list(oddities.rows(PAGE)) == list(CASES)
