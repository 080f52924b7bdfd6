"""The shape of the code: rooms in one order, imports that point one way, a command line that starts at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from pathlib import Path

import pytest

import connector
from connector import ConnectorError, errors

PACKAGE = Path(connector.__file__).parent

# From the ground up: a room imports from lines above its own, never from its neighbours in the line or from below.
ROOMS = [
    {"installation", "masking", "words"},
    {"errors"},
    {"config", "dates"},
    {"definitions"},
    {"api", "rows"},
    {"files"},
    {"databases"},
    {"places"},
    {"load"},
    {"result"},
    {"extract", "apply"},
    {"sync", "write", "request", "query"},
    {"connected"},
    {"stripe"},
    {"cli"},
    {"__main__"},
]
STANDS_APART = "sandbox"  # imports nothing of the engine
JOIN_SANDBOX_AND_ENGINE = {"cli/demo.py", "cli/sandbox.py"}
MOST_LINES = 400
HEAVY = {"pandas", "pyarrow", "duckdb", "sqlalchemy", "httpx", "rich", "msgspec", "numpy", "dateutil"}
FILES = sorted(PACKAGE.rglob("*.py"))
INITS = [file for file in FILES if file.name == "__init__.py"]


def module_of(file: Path) -> str:
    """Return a file's module: "api.client", or "api" for the __init__ of a room."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def room_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def imports(file: Path) -> frozenset[str]:
    """Return our own modules that a file imports, those for types alone too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "connector":
            above = (node.module or "").partition(".")[2]
            names = [f"{above}.{alias.name}".strip(".") for alias in node.names]
            found |= {name if name in MODULES else above for name in names}
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("connector.")]
            found |= {name.partition(".")[2] for name in names}
    return frozenset(found - {"", module_of(file)})


def rank(room: str) -> int:
    return next(place for place, rooms in enumerate(ROOMS) if room in rooms)


def named(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def upward(file: Path) -> Iterator[str]:
    """Yield what a file imports from its neighbours in the line, or from above."""
    room = room_of(module_of(file))
    for imported in sorted(imports(file)):
        below = room_of(imported)
        if not room or below == room or (below == STANDS_APART and named(file) in JOIN_SANDBOX_AND_ENGINE):
            continue
        if STANDS_APART in {room, below}:
            yield f"{named(file)} imports connector.{imported}: the {STANDS_APART} stands apart"
        elif rank(below) >= rank(room):
            yield f"{named(file)} imports connector.{imported}, which stands above it"


def test_imports_point_one_way() -> None:
    wrong = [line for file in FILES for line in upward(file)]
    assert not wrong, "\n".join(wrong)


def test_every_room_has_its_place() -> None:
    assert {room_of(module) for module in MODULES} - {""} == set().union(*ROOMS) | {STANDS_APART}


def test_the_page_on_architecture_names_every_room_and_module() -> None:
    page = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
    alike = {
        "files",
        "load",
        "cli",
        STANDS_APART,
    }  # a module a format, a kind of target, a command: no names of their own
    named_there = {room for rooms in ROOMS for room in rooms if f"`{room}`" in page or f"`{room}/`" in page}
    assert set().union(*ROOMS) - named_there == {"__main__"}
    modules = [module.split(".") for module in MODULES if module.count(".") == 1]
    assert [".".join(parts) for parts in modules if parts[0] not in alike and f"`{parts[1]}" not in page] == []


@pytest.mark.parametrize("room", sorted(set().union(*ROOMS)))
def test_no_files_of_a_room_import_each_other_in_a_circle(room: str) -> None:
    inside = {module: imports(file) for module, file in MODULES.items() if room_of(module) == room}
    try:
        TopologicalSorter({module: found & inside.keys() for module, found in inside.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"These import each other: {' → '.join(error.args[1])}")


def test_no_file_is_longer_than_one_reads_in_a_sitting() -> None:
    long = [named(file) for file in FILES if len(file.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    assert not long, "\n".join(long)


def code_in(file: Path) -> Iterator[ast.stmt]:
    """Yield the statements of a file that are more than a docstring, imports and the list of names."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if not (is_docstring or is_list or isinstance(node, ast.Import | ast.ImportFrom)):
            yield node


def test_an_init_holds_names_and_no_code() -> None:
    rooms = [file for file in INITS if file.parent != PACKAGE]  # that one imports Stripe when it is first asked for
    code = [f"{named(file)}: {ast.unparse(node)}" for file in rooms for node in code_in(file)]
    assert not code, "\n".join(code)


def test_the_public_names_are_exactly_these() -> None:
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    raised = [name for name, value in classes.items() if issubclass(value, (ConnectorError, Warning))]
    others = ["LoadReport", "Loading", "Report", "RequestResult", "Result", "Stripe", "SyncReport", "major", "minor"]
    assert sorted(connector.__all__) == sorted([*raised, *others])
    for name in connector.__all__:
        assert getattr(connector, name)
    assert set(dir(connector)) == {*connector.__all__, "__doc__", "__version__"}
    assert connector.__version__ == version("stripe-connector")
    with pytest.raises(AttributeError, match="no attribute 'strip'"):
        _ = connector.strip


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"], ["--version"]])
def test_help_imports_none_of_the_heavy_libraries(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom connector.cli import run\n"
        f"code = run({arguments!r})\n"
        "print('IMPORTED', *sorted({name.split('.')[0] for name in sys.modules}))\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.rpartition("IMPORTED")[2].split())
    assert "click" in imported
    assert not HEAVY & imported
