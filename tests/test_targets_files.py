"""Files and standard output: what goes wrong on a disk and in a pipe, by real disks and pipes where there are any."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from connector.errors import TargetError, UsageError
from connector.files.formats import WriteOptions
from connector.places import open_target
from tests.row_batches import TEXT, rows

ONE = rows(id=(TEXT, ["in_1"]), email=(TEXT, ["a@example.com"]))
on_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /dev and /proc")


def write(path: Path | str, batch: pa.RecordBatch = ONE, **options: Any) -> int:
    return open_target(str(path), WriteOptions(**options)).replace(batch.schema, iter([batch]))


def refused(path: Path | str, **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        write(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Files


def test_missing_folder_is_named_and_not_created(tmp_path: Path) -> None:
    assert f'The folder "{tmp_path / "none"}" does not exist' in refused(tmp_path / "none" / "a.csv")
    assert not (tmp_path / "none").exists()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    assert "is a folder" in refused(tmp_path / "a.csv")


@on_linux
def test_a_device_is_not_replaced_by_a_file() -> None:
    assert "is not a file that can be replaced" in refused("/dev/null", format="csv")
    assert not Path("/dev/null").is_file()


@contextlib.contextmanager
def without_root() -> Iterator[None]:
    """Root may write anywhere: be nobody for a while."""
    is_root = os.name != "nt" and os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may read, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_write_protected_file_is_refused_before_a_row_is_read(open_folder: Path) -> None:
    path = open_folder / "a.csv"
    path.write_text("old")
    path.chmod(stat.S_IREAD | stat.S_IRGRP | stat.S_IROTH)
    with without_root(), pytest.raises(TargetError, match=r"open in another program \(Excel\?\) or write-protected"):
        open_target(str(path))
    path.chmod(stat.S_IREAD | stat.S_IWRITE)  # Windows removes no file that is write-protected


def test_a_file_that_is_opened_elsewhere_meanwhile_stays_as_it_is(open_folder: Path) -> None:
    path = open_folder / "a.csv"
    open_folder.chmod(0o777)

    def batches() -> Iterator[pa.RecordBatch]:
        yield ONE
        path.chmod(stat.S_IREAD)  # what Excel's lock is on Windows

    with without_root():
        path.write_text("old")
        with pytest.raises(TargetError, match="Close it and run again"):
            open_target(str(path)).replace(ONE.schema, batches())
        assert path.read_text() == "old"
    assert list(open_folder.iterdir()) == [path]
    path.chmod(stat.S_IREAD | stat.S_IWRITE)


@on_posix
def test_a_folder_that_this_user_may_not_write_to_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with without_root():
        assert (
            refused(open_folder / "a.csv")
            == f"{open_folder / 'a.csv'} could not be written: this user may not write there."
        )
    open_folder.chmod(0o755)


@on_posix
def test_a_file_that_only_its_owner_may_read_stays_so(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    (tmp_path / "a.csv").chmod(0o600)
    write(tmp_path / "a.csv")
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


@on_posix
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("id,email")


@on_posix
@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "😀" * 62 + ".csv"])
def test_names_as_long_as_the_file_system_takes(tmp_path: Path, name: str) -> None:
    assert write(tmp_path / name) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@on_posix
def test_a_name_that_is_too_long_is_one_clear_line(tmp_path: Path) -> None:
    assert "could not be written" in refused(tmp_path / ("x" * 300 + ".csv"))


def test_the_name_of_the_file_names_the_sheet(tmp_path: Path) -> None:
    write(tmp_path / "invoices.xlsx")
    assert CalamineWorkbook.from_path(tmp_path / "invoices.xlsx").sheet_names == ["invoices"]


FULL_DISK_CHILD = """
import gc, random, resource, sys
import pyarrow as pa
from connector.errors import TargetError
from connector.files.formats import WriteOptions
from connector.result import Result

sys.dont_write_bytecode = True  # cut by the limit, it would break whoever imports it next
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
schema = pa.schema([("id", pa.string())])

def batches():
    for number in range(60):
        yield pa.record_batch([pa.array([random.randbytes(50).hex() for _ in range(2_000)])], schema=schema)

for path in sys.argv[1:]:
    try:
        Result("rows", schema, lambda _: batches()).to(path, WriteOptions(table="t"))
    except TargetError as error:
        print(error)
    gc.collect()
"""


@on_posix
def test_full_disk_is_one_line_each_and_leaves_nothing(tmp_path: Path) -> None:
    names = ["a.csv", "a.jsonl", "a.parquet", "a.xlsx", "a.duckdb"]
    command = [sys.executable, "-c", FULL_DISK_CHILD, *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == [f"{tmp_path / name} could not be written: the disk is full." for name in names[:4]]
    assert lines[4].startswith("Rows could not be kept in ")  # until they are all there, no database is opened
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, name: str) -> None:
    most_bytes = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal most_bytes
        for number in range(80):
            yield pa.record_batch({"id": pa.array([f"in_{number:097d}"]).take(pa.array([0] * 20_000))})
            most_bytes = max(most_bytes, pa.total_allocated_bytes() - before)

    before = pa.total_allocated_bytes()
    schema = pa.schema([("id", pa.string())])
    assert open_target(str(tmp_path / name)).replace(schema, batches()) == 1_600_000  # 160 MB of text
    assert most_bytes < 40_000_000


# Standard output


@contextlib.contextmanager
def stdout_to(file_descriptor: int) -> Iterator[None]:
    """Let standard output be a real pipe, device or terminal; at the end it is flushed as Python does at its own."""
    with io.TextIOWrapper(open(file_descriptor, "wb")) as stream, contextlib.redirect_stdout(stream):
        yield
        gc.collect()


def write_out(form: str, batches: Iterator[pa.RecordBatch]) -> int:
    return open_target("-", WriteOptions(format=form)).replace(ONE.schema, batches)


def through_pipe(form: str, batches: Iterator[pa.RecordBatch]) -> bytes:
    """What a reader gets who waits until all is written; it must fit into a pipe's own memory."""
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe:  # noqa: PTH123
        with stdout_to(writing):
            write_out(form, batches)
        return pipe.read()


def test_csv_is_what_stdout_gets_unless_told_otherwise(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert write("-") == 1
    assert capfdbinary.readouterr().out == b"id,email\nin_1,a@example.com\n"


def test_parquet_and_excel_go_through_a_pipe() -> None:
    assert pq.read_table(io.BytesIO(through_pipe("parquet", iter([ONE] * 3)))).num_rows == 3
    book = CalamineWorkbook.from_filelike(io.BytesIO(through_pipe("xlsx", iter([ONE] * 3))))
    assert book.get_sheet_by_index(0).to_python() == [["id", "email"]] + [["in_1", "a@example.com"]] * 3


def test_stdout_gets_rows_as_they_come() -> None:
    reading, writing = os.pipe()

    def batches() -> Iterator[pa.RecordBatch]:
        yield ONE
        assert os.read(reading, 1_000) == b"id,email\nin_1,a@example.com\n"
        yield ONE
        assert os.read(reading, 1_000) == b"in_1,a@example.com\n"

    with open(reading, "rb"), stdout_to(writing):  # noqa: PTH123
        assert write_out("csv", batches()) == 2


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "xlsx"])
def test_a_reader_that_stops_reading_ends_the_run_quietly_and_stops_it_reading(form: str) -> None:
    reading, writing = os.pipe()
    reader = open(reading, "rb")  # noqa: PTH123, SIM115
    taken = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(10):
            taken.append(number)
            yield ONE
            reader.close()

    with stdout_to(writing):
        write_out(form, batches())
    assert len(taken) == (10 if form in {"parquet", "xlsx"} else 2)  # those two write only when they have many rows


@on_linux
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "xlsx"])
def test_full_disk_behind_stdout_is_one_line(form: str) -> None:
    with (
        stdout_to(os.open("/dev/full", os.O_WRONLY)),
        pytest.raises(TargetError, match=r"^standard output could not be written: the disk is full\.$"),
    ):
        write_out(form, iter([ONE]))


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_rows_cut_off_in_a_pipe_do_not_look_like_a_whole_file(form: str) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield ONE
        raise ZeroDivisionError

    reading, writing = os.pipe()
    with open(reading, "rb") as pipe:  # noqa: PTH123
        with stdout_to(writing), pytest.raises(ZeroDivisionError):
            write_out(form, batches())
        assert pipe.read() in {b"", b"PAR1"}  # the beginning alone


@on_posix
@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_binary_formats_are_refused_on_a_terminal(form: str) -> None:
    import pty

    ours, terminal = pty.openpty()
    with open(ours, "rb"), stdout_to(terminal), pytest.raises(UsageError, match=f"{form} is not for a terminal"):  # noqa: PTH123
        open_target("-", WriteOptions(format=form))


def test_stdout_that_takes_no_bytes_is_refused() -> None:
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(UsageError, match="write to a file"):
        open_target("-")


def test_a_closed_pipe_is_no_trouble_at_the_end_of_the_interpreter_either() -> None:
    code = (
        "import pyarrow as pa; from connector.places import open_target;"
        "batch = pa.record_batch({'id': ['x' * 100] * 1000});"
        "open_target('-').replace(batch.schema, (batch for _ in range(1000)))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stderr
        assert writer.stdout.readline() == b"id\n"
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(60) == 0
