"""Options of connection strings, one list per database.

`supported` options change what a check does. `ignored` ones configure pools, logs and long connections: a check
connects once and sends one query. `files` name a file on another machine, whose content belongs in the given field.
Names are compared in lower case, without `-`, `_`, `.` and blanks.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from msgspec import Struct

from app.domain.parsing.invalid_field import InvalidField

FIELD = "connection_string"
_SEPARATORS = re.compile(r"[-_.\s]")


class KnownOptions(Struct, frozen=True):
    """The options that a connection string may have."""

    supported: frozenset[str]
    ignored: frozenset[str]
    files: Mapping[str, str] = {}

    def select(self, given: Collection[tuple[str, str]]) -> dict[str, str]:
        """The supported options by bare name; the last one wins. Raises InvalidField for an unknown option."""
        selected = dict[str, str]()
        for name, value in given:
            bare = bare_name(name)
            if bare in self.supported:
                selected[bare] = value
            elif field := self.files.get(bare):
                raise InvalidField(FIELD, f"names a file in {name[:40]!r}; send its content as `{field}` instead")
            elif bare not in self.ignored:
                raise InvalidField(FIELD, f"has the unknown option {name[:40]!r}{self._hint(bare)}")
        return selected

    def _hint(self, bare: str) -> str:
        close = get_close_matches(bare, [*self.supported, *self.ignored], 1)
        return f"; did you mean {close[0]!r}?" if close else ""


def bare_name(name: str) -> str:
    """The name of an option as the lists write it."""
    return _SEPARATORS.sub("", name).lower()


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


POSTGRES = KnownOptions(
    _names("sslmode ssl host port user password dbname options searchpath currentschema schema"),
    _names(
        """applicationname fallbackapplicationname channelbinding clientencoding connecttimeout connectionlimit
        gssdelegation gssencmode gsslib keepalives keepalivescount keepalivesidle keepalivesinterval
        krbsrvname loadbalancehosts maxprotocolversion minprotocolversion passfile pgbouncer poolmaxconns
        poolmaxconnidletime poolmaxconnlifetime poolminconns poolsize pooltimeout preparestatements
        preparedstatementcachesize preparethreshold replication requireauth requirepeer requiressl
        sockettimeout sslcertmode sslcompression sslcrl sslcrldir sslmaxprotocolversion
        sslminprotocolversion sslnegotiation sslpassword sslsni statementcachesize targetsessionattrs
        tcpkeepalive tcpusertimeout timezone uselibpqcompat"""
    ),
    {"sslrootcert": "ca_cert", "sslcert": "client_cert", "sslkey": "client_key", "service": "host"},
)
MYSQL = KnownOptions(
    _names("ssl sslmode tls usessl requiressl verifyservercertificate sslverifycert sslverifyidentity"),
    _names(
        """allowallfiles allowcleartextpasswords allowfallbacktoplaintext allowmultiqueries allownativepasswords
        allowoldpasswords allowpublickeyretrieval authplugin autocommit autoreconnect buffered
        characterencoding characterset charset checkconnliveness clientfoundrows collation columnswithalias
        compress compression connectattributes connectiontimeout connectionlimit connecttimeout
        connecttimeoutms defaultauth enablecleartextplugin failoverreadonly getserverpublickey
        interpolateparams loc maxallowedpacket maxreconnects multistatements parsetime pluginauth poolsize
        pooltimeout programname readtimeout rejectreadonly rewritebatchedstatements servertimezone
        sockettimeout sqlmode sslaccept statementcachesize tcpkeepalive timeout timezone tlsversion
        timetruncate usecompression useunicode useaffectedrows usecursorfetch useserverprepstmts
        writetimeout zerodatetimebehavior"""
    ),
    {
        **dict.fromkeys(("sslca", "sslcapath", "serversslcert", "sslcert"), "ca_cert"),
        **dict.fromkeys(("sslclientcert", "clientcert"), "client_cert"),
        **dict.fromkeys(("sslkey", "clientkey"), "client_key"),
        **dict.fromkeys(("socket", "unixsocket"), "host"),
    },
)
REDIS = KnownOptions(
    _names("db database ssl tls sslcertreqs skipverify insecure"),
    _names(
        """abortconnect clientname connecttimeout connectretry connecttimeoutms conntimeout decoderesponses dialtimeout
        encoding family healthcheckinterval idletimeout keepalive libname libversion maxconnections maxidle
        maxretries minidleconns pool poolfifo poolsize pooltimeout protocol readtimeout retryontimeout
        socketconnecttimeout socketkeepalive sockettimeout sslcheckhostname timeout virtualhost writetimeout"""
    ),
    {
        **dict.fromkeys(("sslcacerts", "sslcafile", "cacert"), "ca_cert"),
        **dict.fromkeys(("sslcertfile", "cert"), "client_cert"),
        **dict.fromkeys(("sslkeyfile", "key"), "client_key"),
    },
)
MONGODB = KnownOptions(
    _names(
        """authmechanism authsource srvservicename ssl sslallowinvalidcertificates tls tlsallowinvalidcertificates
        tlsallowinvalidhostnames tlsinsecure"""
    ),
    _names(
        """appname compressors connecttimeoutms directconnection gssapiservicename heartbeatfrequencyms journal j
        loadbalanced localthresholdms maxconnecting maxidletimems maxpoolsize maxstalenessseconds
        minpoolsize readconcernlevel readpreference readpreferencetags replicaset retryreads retrywrites
        servermonitoringmode serverselectiontimeoutms serverselectiontryonce sockettimeoutms srvmaxhosts
        timeoutms tlsdisablecertificaterevocationcheck tlsdisableocspendpointcheck uuidrepresentation w
        waitqueuemultiple waitqueuetimeoutms wtimeout wtimeoutms zlibcompressionlevel"""
    ),
    {
        **dict.fromkeys(("tlscafile", "sslcafile", "sslcertificateauthorityfile"), "ca_cert"),
        **dict.fromkeys(("tlscertificatekeyfile", "sslpemkeyfile", "sslclientcertificatekeyfile"), "client_cert"),
    },
)
SQLSERVER = KnownOptions(
    _names("encrypt trustservercertificate database initialcatalog integratedsecurity trustedconnection"),
    _names(
        """app appname applicationintent applicationname asynchronousprocessing columnencryption commandtimeout
        connectionlifetime connectionreset connectiontimeout connectretrycount connectretryinterval
        connecttimeout currentlanguage dialtimeout disableretry driver enlist failoverpartner failoverport
        keepalive language loadbalancetimeout log logintimeout mars marsconnection maxpoolsize minpoolsize
        multipleactiveresultsets multisubnetfailover network networklibrary packetsize persistsecurityinfo
        pooling poolblockingperiod protocol replication timeout transactionbinding typesystemversion
        userinstance workstationid wsid"""
    ),
    {"certificate": "ca_cert", "servercertificate": "ca_cert", "attachdbfilename": "database"},
)
