"""Connections by way of SQLAlchemy: opened in one way for reading and writing, and their errors in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy import exc as sql_errors
from sqlalchemy.pool import NullPool

from connector.databases.families import family_of, near_schemes
from connector.databases.urls import without_password
from connector.errors import MissingExtra, UsageError


def place_of(url: URL) -> str:
    """Return what messages call a database, without user and password."""
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "").name
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def open_engine(url: URL, arguments: dict[str, Any]) -> Engine:
    """Return the engine of a URL, which is connected to later; an error that says what to install where it must be."""
    install = family_of(url.drivername).install
    try:
        return create_engine(url, poolclass=NullPool, **arguments)
    except sql_errors.NoSuchModuleError as error:
        hint = f" Its driver is installed by {install}." if install else near_schemes(url.drivername)
        raise UsageError(
            f"{url.drivername}:// is no database that is known here, or its driver for SQLAlchemy is not installed."
            f"{hint}"
        ) from error
    except ImportError as error:
        if url.get_backend_name() == "postgresql":
            raise MissingExtra("Postgres", "postgres") from error
        hint = f", or take {url.get_backend_name()}+pymysql:// with {install}" if "pymysql" in install else ""
        raise UsageError(f"{url.drivername}:// needs the Python library {error.name}: install it{hint}.") from error


def reason_of(error: Exception, url: URL) -> str:
    """Return the line of a driver's error that says something, without the password."""
    return without_password(_telling_line(getattr(error, "orig", None) or error), url)


def _telling_line(error: BaseException) -> str:
    """Return the first line that tells anything; some drivers give a number and bytes."""
    first = error.args[0] if error.args else ""
    told = first[-1] if isinstance(first, tuple) and first else str(error)
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("DB-Lib error message")), type(error).__name__)
