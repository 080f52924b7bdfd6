"""The families of databases, a row each: how their addresses are written, what reads and writes them, what they need.

Opening, error messages and the table in docs/targets.md all come from these rows.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connector.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from connector.databases.base import Database
    from connector.databases.relation import Relation
    from connector.rows.streams import Source

_LIBPQ = (
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "fallback_application_name",
    "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
    "options", "passfile", "password", "port", "require_auth", "requirepeer", "scram_client_key", "scram_server_key",
    "service", "servicefile", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode",
    "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation", "sslpassword",
    "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user",
)  # fmt: skip
_MSSQL = (
    "ApplicationIntent", "Authentication", "bulk", "ConnectRetryCount", "ConnectRetryInterval", "Database", "Encrypt",
    "HostnameInCertificate", "IpAddressPreference", "KeepAlive", "KeepAliveInterval", "MultiSubnetFailover",
    "PacketSize", "PWD", "Server", "ServerCertificate", "ServerSPN", "Trusted_Connection", "TrustServerCertificate",
    "UID",
)  # fmt: skip
_MYSQL = (
    "auth_plugin", "charset", "client_flag", "collation", "compress", "connect_timeout", "connection_timeout",
    "init_command", "local_infile", "max_allowed_packet", "program_name", "read_default_file", "read_default_group",
    "read_timeout", "server_public_key", "sql_mode", "ssl", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_check_hostname",
    "ssl_cipher", "ssl_disabled", "ssl_key", "ssl_key_password", "ssl_mode", "ssl_verify_cert", "ssl_verify_identity",
    "unix_socket", "use_unicode", "write_timeout",
)  # fmt: skip
_SQLITE = ("cache", "cached_statements", "check_same_thread", "immutable", "mode", "nolock", "timeout", "uri", "vfs")
_OURS = ("table",)


@dataclass(frozen=True)
class Family:
    """One family of databases.

    `database` and `source` are the class that rows are merged by and what opens a table or a query to be read, as
    module:name below this room. `settings` may stand behind the ? of an address and go to the driver; None: the driver
    alone knows them. `not_written` is why rows cannot be written to it.
    """

    name: str
    schemes: tuple[str, ...]
    address: str
    database: str = "portable.database:Portable"
    source: str = "portable.source:SqlSource"
    suffixes: tuple[str, ...] = ()
    settings: tuple[str, ...] | None = None
    is_file: bool = False
    install: str = ""
    tried_on: str = ""
    not_written: str = ""

    def open_database(self, address: str) -> Database:
        """Return the database at an address; nothing is opened yet."""
        if self.not_written:
            raise UsageError(f"Rows cannot be written to {self.schemes[0]}://: {self.not_written}.")
        return cast("Database", _named(self.database)(address))

    def open_source(self, address: str, relation: Relation) -> Source:
        """Return the rows of a table or a query, whose columns are known then."""
        return cast("Source", _named(self.source)(address, relation))

    def check_setting(self, scheme: str, name: str) -> None:
        """Raise a UsageError for a setting of an address that nobody knows."""
        known = (*_OURS, *(self.settings or ()))
        near = did_you_mean(name, known)
        if name.casefold() in map(str.casefold, known) or (self.settings is None and not near):
            return
        hint = near or f" It has: {', '.join(known)}."
        raise UsageError(f'A {scheme}:// URL has no setting "{name}".{hint}')


FAMILIES = (
    Family(
        "DuckDB", ("duckdb",), "duckdb:///stripe.duckdb",
        "duckdb.database:DuckDB", "duckdb.source:DuckDBSource", (".duckdb",), (), is_file=True,
        tried_on="DuckDB, in the test suite",
    ),
    Family(
        "Postgres 12 and later", ("postgresql", "postgres"), "postgresql://user:password@host:5432/database",
        "postgres.database:Postgres", settings=_LIBPQ,
        install="the extra `postgres`", tried_on="a Postgres 18 server, in the test suite",
    ),
    Family(
        "SQL Server 2016 and later, Azure SQL", ("mssql", "sqlserver"), "mssql://user:password@host:1433/database",
        "sqlserver.database:SQLServer", "sqlserver.source:open_sqlserver", settings=_MSSQL,
        install="the extra `sqlserver`",
        tried_on="T-SQL compared as text, and translated and run on DuckDB; a live suite (`TEST_MSSQL_URL`), run "
        "against Babelfish 4.3, which speaks its protocol and T-SQL but knows no lock hints and no bulk copy; **not "
        "yet against SQL Server itself**",
    ),
    Family(
        "Amazon Redshift", ("redshift",), "redshift://user:password@host:5439/database",
        "redshift.database:Redshift", "redshift.source:RedshiftSource", settings=(*_LIBPQ, "s3", "iam_role"),
        install="the extra `postgres`",
        tried_on="**never a server**: its SQL is compared as text, and translated and run on DuckDB",
    ),
    Family(
        "SQLite 3.35 and later", ("sqlite",), "sqlite:///shop.db", settings=_SQLITE, is_file=True,
        tried_on="SQLite, in the test suite",
    ),
    Family(
        "MySQL 8, MariaDB 10.2 and later", ("mysql", "mariadb"),
        "mysql+pymysql://user:password@host/database?charset=utf8mb4", settings=_MYSQL, install="pip install pymysql",
        tried_on="MariaDB 10.11, once and by hand; not in the test suite",
    ),
    Family("Snowflake", ("snowflake",), "", install="pip install snowflake-sqlalchemy"),
    Family("BigQuery", ("bigquery",), "", install="pip install sqlalchemy-bigquery"),
    Family("CockroachDB", ("cockroachdb",), "", install="pip install sqlalchemy-cockroachdb"),
    Family("Trino", ("trino",), "", install="pip install 'trino[sqlalchemy]'"),
    Family("Databricks", ("databricks",), "", install="pip install databricks-sqlalchemy"),
    Family("ClickHouse", ("clickhouse",), "", install="pip install clickhouse-sqlalchemy"),
    Family(
        "Oracle", ("oracle",), "", install="pip install oracledb",
        not_written="Oracle takes an empty text for a null and knows no AS before the alias of a table",
    ),
    Family(
        "Access", ("access",), "", install="pip install sqlalchemy-access",
        not_written="Access has no window functions",
    ),
)  # fmt: skip
_OTHER = Family("another database", (), "")


def family_of(scheme: str) -> Family:
    """Return the family of an address's scheme, with or without +driver; one without schemes where nobody knows it."""
    word = scheme.lower().partition("+")[0]
    return next((family for family in FAMILIES if word in family.schemes), _OTHER)


def near_schemes(scheme: str) -> str:
    """Return what may have been meant by a scheme that nobody knows, as " Did you mean …?"."""
    return did_you_mean(scheme, [known for family in FAMILIES for known in family.schemes])


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(f"connector.databases.{module}"), name))
