"""What a connection may say, and where it comes from: command line, connector.toml, environment.

Shape only: nothing here speaks to Stripe. A setting is looked for in three places, the first that has it wins:
what the command line or Python gives, the table `[connections.NAME]` of the config file, the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
import zoneinfo
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connector.errors import ConfigError, did_you_mean
from connector.masking import hide_keys

API_VERSION = "2026-10-28.endive"
API_BASE = "https://api.stripe.com"
FILES_BASE = "https://files.stripe.com"
CONFIG_NAME = "connector.toml"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ENVIRONMENT = {
    "key": "STRIPE_API_KEY",
    "key_file": "STRIPE_API_KEY_FILE",
    "account": "STRIPE_ACCOUNT",
    "version": "STRIPE_API_VERSION",
    "api_base": "STRIPE_API_BASE",
}

_KEY_PREFIX = re.compile(r"(?:sk|rk)_(?:org_)?(?P<mode>live|test)_")
_SHOWN_CHARACTERS = 4
_LONG_ENOUGH_TO_SHOW = 16
_BASE = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/?", re.IGNORECASE)
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Key:
    """An API key that no `repr`, `str` or format shows; `reveal()` is for the request's header alone."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """Return the key itself."""
        return self._secret

    def hide_in(self, text: str) -> str:
        """Return `text` with this key, and whatever else looks like a key, masked."""
        return hide_keys(text.replace(self._secret, str(self)) if self._secret else text)

    @property
    def livemode(self) -> bool | None:
        """True for a live key, False for a test key, None where the key does not tell."""
        found = _KEY_PREFIX.match(self._secret)
        return found and found["mode"] == "live"

    def __str__(self) -> str:
        found = _KEY_PREFIX.match(self._secret)
        prefix = found.group() if found else ""
        rest = self._secret[len(prefix) :]
        return prefix + "…" + (rest[-_SHOWN_CHARACTERS:] if len(rest) >= _LONG_ENOUGH_TO_SHOW else "")

    def __repr__(self) -> str:
        return f"Key({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)


@dataclass(frozen=True)
class Connection:
    """A key with its account, version, host and limits; None as a limit means Stripe's published one."""

    key: Key
    account: str | None = None
    version: str = API_VERSION
    api_base: str = API_BASE
    max_rps: float | None = None
    max_rps_per_endpoint: float | None = None
    time_zone: str = "UTC"
    trusted_hosts: tuple[str, ...] = ()
    connect_seconds: float = 10.0
    read_seconds: float = 80.0
    total_seconds: float = 300.0
    max_body_megabytes: float = 100.0

    @property
    def livemode(self) -> bool | None:
        """True for a live key, False for a test key, None where the key does not tell."""
        return self.key.livemode

    @property
    def files_base(self) -> str:
        """Where files are sent and fetched: Stripe's host for files, or `api_base` when that was set."""
        return FILES_BASE if self.api_base == API_BASE else self.api_base


@dataclass(frozen=True)
class _Given:
    """A value as somebody gave it, where, for errors, and the folder that paths in it are seen from."""

    value: object
    where: str
    folder: Path = Path()


def connection(
    name: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    config: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Connection:
    """Return the connection called `name`, or the one that the environment describes.

    `overrides` are settings from the command line or Python (None means not given). The named table is read
    from `config`, else from connector.toml in `folder`, which is the current folder unless given.
    """
    variables = os.environ if environ is None else environ
    path = config or (folder or Path()) / CONFIG_NAME
    explicit = {setting: value for setting, value in (overrides or {}).items() if value is not None}
    check_names(explicit, SETTINGS, "this connection")
    first = {setting: _Given(value, setting) for setting, value in explicit.items()}
    table = _from_table(name, path, variables) if name is not None else {}
    last = _from_environment(variables)
    key, source = _find_key([first, table, last])
    if source is table:
        last.pop("account", None)  # STRIPE_ACCOUNT says nothing about a key that stands in a table
    given = ChainMap(first, table, last)
    settings = {
        setting: check(given[setting].value, given[setting].where)
        for setting, check in CHECKS.items()
        if setting in given
    }
    return Connection(key=key, **settings)  # type: ignore[arg-type]  # each check returns its field's type


def nearest_connections(config: Path) -> Path | None:
    """Return the connector.toml beside a config, else that of the current folder, if there is one."""
    places = (folder / CONFIG_NAME for folder in (config.parent, Path()))
    return next((path for path in places if path.is_file()), None)


def definition_folders(folder: Path | None = None, config: Path | None = None) -> list[Path]:
    """Return the folders of endpoint files that the config file names as `definitions`, beside itself if relative."""
    path = config or (folder or Path()) / CONFIG_NAME
    if config is None and not path.is_file():
        return []
    said = read_toml(path).get("definitions", [])
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{path}: definitions must name folders, as in definitions = ["my_tables"].')
    folders = [path.parent / name for name in names]
    for each in folders:
        if not each.is_dir():
            raise ConfigError(f"{path}: definitions names the folder {each}, which does not exist.")
    return folders


def read_toml(path: Path) -> dict[str, object]:
    """Return what the TOML file at `path` holds; a missing or broken file is a ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_reason(error)}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep to be read.") from None


def check_names(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise a ConfigError for the first name in `given` that `known` does not have."""
    names = sorted(known)
    for name in given:
        if name not in names:
            near = did_you_mean(name, names) or f" Known are {', '.join(names)}."
            raise ConfigError(f'{where}: unknown key "{name}".{near}')


def expand(value: object, where: str, environ: Mapping[str, str]) -> object:
    """Return `value` with every ${NAME} in its strings, at any depth, replaced from the environment."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _variable(found.group(1), where, environ), value)
    if isinstance(value, list):
        return [expand(item, where, environ) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, f"{where}.{key}", environ) for key, item in value.items()}
    return value


def _variable(name: str, where: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ConfigError(f"{where}: the environment variable {name} is not set.")
    return environ[name]


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    # Compose files and CI systems pass variables that nobody filled in as empty ones.
    return {
        setting: _Given(environ[variable], variable)
        for setting, variable in ENVIRONMENT.items()
        if environ.get(variable)
    }


def _from_table(name: str, path: Path, environ: Mapping[str, str]) -> dict[str, _Given]:
    place = f"{path}: [connections.{name}]"
    if not path.is_file():
        raise ConfigError(f'{path}: there is no such file. So there is no connection "{name}".')
    table = connection_table(name, path)
    check_names(table, SETTINGS, place)
    wheres = {setting: f"{place} {setting}" for setting in table}
    return {
        setting: _Given(expand(value, wheres[setting], environ), wheres[setting], path.parent)
        for setting, value in table.items()
    }


def connection_table(name: str, path: Path) -> dict[str, object]:
    """Return what the config at `path` says of a connection, as it stands there."""
    tables = read_toml(path).get("connections", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: connections must be tables, as in [connections.{name}].")
    if name not in tables:
        there = f" It has {', '.join(sorted(tables))}." if tables else f" Add a table [connections.{name}]."
        raise ConfigError(f'{path} has no connection "{name}".{did_you_mean(name, tables) or there}')
    if not isinstance(tables[name], dict):
        raise ConfigError(f"{path}: connections.{name} must be a table, as in [connections.{name}].")
    return dict(tables[name])


def _find_key(layers: list[dict[str, _Given]]) -> tuple[Key, dict[str, _Given]]:
    """Return the key and the layer that has it."""
    for layer in layers:
        if "key" in layer and "key_file" in layer:
            both = f"{layer['key'].where} and {layer['key_file'].where}"
            raise ConfigError(f"{both} are both set; keep the one that holds the key you mean.")
        if "key" in layer:
            return _key(layer["key"].value, layer["key"].where), layer
        if "key_file" in layer:
            return _key_from_file(layer["key_file"]), layer
    raise ConfigError(
        "No API key: set STRIPE_API_KEY, or STRIPE_API_KEY_FILE to a file that holds the key, "
        f"or name a connection that stands in {CONFIG_NAME}."
    )


def _key_from_file(given: _Given) -> Key:
    path = given.folder / Path(_text(given.value, given.where)).expanduser()
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{given.where}: there is no key file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{given.where}: the key file {path} cannot be read: {_reason(error)}.") from None
    if not content.strip():
        raise ConfigError(f"{given.where}: the key file {path} is empty.")
    return _key(content.rstrip("\r\n"), f"{given.where}: the key in {path}")


def _key(value: object, where: str) -> Key:
    if isinstance(value, Key):
        return value
    secret = _text(value, where)
    problem = _key_problem(secret)
    if problem:
        raise ConfigError(f"{where}: {problem}")
    return Key(secret)


def _key_problem(secret: str) -> str | None:
    """Say what is wrong with a key, without showing it. Unknown kinds of keys pass: Stripe may add some."""
    if secret != secret.strip():
        return "there is a blank or a line break around the key; remove it."
    if secret[0] in "'\"`" or secret[-1] in "'\"`":
        return "there are quotes around the key; remove them."
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return "the key has a blank, a line break or another character inside that no key has; copy it again."
    if secret.startswith("pk_"):
        return "this is a publishable key (pk_…), which cannot read; take a restricted key (rk_…)."
    if secret.startswith("whsec_"):
        return "this is a webhook's signing secret (whsec_…), not an API key; take a restricted key (rk_…)."
    return None


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{where} must be text, not {type(value).__name__}.")
    if not value:
        raise ConfigError(f"{where} is empty.")
    return value


def _account(value: object, where: str) -> str:
    account = _text(value, where)
    if not re.fullmatch(r"acct_\w+", account, re.ASCII):
        raise ConfigError(f"{where} must be an account id like acct_1Nv0FGQ9RKHgCVdK, not {_shown(account)}.")
    return account


def _version(value: object, where: str) -> str:
    version = _text(value, where)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[ -~]*", version, re.ASCII):
        raise ConfigError(f"{where} must be an API version like {API_VERSION}, not {_shown(version)}.")
    return version


def _api_base(value: object, where: str) -> str:
    base = _text(value, where)
    found = _BASE.fullmatch(base)
    if not found:
        # The value is not repeated: it may hold a user name and a password.
        raise ConfigError(f"{where} must be https://HOST or https://HOST:PORT, without user, path or query.")
    scheme, host, port = found.group(1).lower(), found.group(2).lower(), found.group(3) or ""
    if scheme == "http" and host.strip("[]") not in LOOPBACK:
        raise ConfigError(f"{where} must be https: over http the key could be read on its way to {host}.")
    return f"{scheme}://{host}{'' if (scheme, port) == ('https', ':443') else port}"


def _positive(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{where} must be a number above 0, not {_shown(value)}.")
    return float(value)


def _time_zone(value: object, where: str) -> str:
    zone = _text(value, where)
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(zone, zoneinfo.available_timezones())
        raise ConfigError(f"{where}: there is no time zone {_shown(zone)}.{near}") from None
    return zone


def _trusted_hosts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f'{where} must be a list of hosts, as in ["connect.stripe.com"].')
    return tuple(_host(item, where) for item in value)


def _host(value: object, where: str) -> str:
    host = _text(value, where)
    if not _HOST.fullmatch(host):
        raise ConfigError(f"{where}: {_shown(host)} is not HOST or HOST:PORT.")
    return host.lower().removesuffix(":443")


def _shown(value: object) -> str:
    return hide_keys(repr(value))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or type(error).__name__


CHECKS: Mapping[str, Callable[[object, str], object]] = {
    "account": _account,
    "version": _version,
    "api_base": _api_base,
    "max_rps": _positive,
    "max_rps_per_endpoint": _positive,
    "time_zone": _time_zone,
    "trusted_hosts": _trusted_hosts,
    "connect_seconds": _positive,
    "read_seconds": _positive,
    "total_seconds": _positive,
    "max_body_megabytes": _positive,
}
SETTINGS = ("key", "key_file", *CHECKS)
