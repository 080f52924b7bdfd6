"""The shape of the code: imports point one way, the public names are these, the command line starts at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import connector

PACKAGE = Path(connector.__file__).parent

# From the ground up: a module imports from layers below its own, never from its own or from above.
LAYERS = [
    {"errors"},
    {"config", "dates", "names", "currencies", "encoding", "clock", "rendering", "state"},
    {"endpoint", "answers", "limits", "runfile", "parsing"},
    {"calls", "records", "casting"},
    {"client", "readers"},
    {"pages", "tables", "excel"},
    {"files"},
    {"conditions", "targets"},
    {"result"},
    {"extract", "sources"},
    {"check", "tasks"},
    {"readings"},
    {"sync", "load", "forecast", "request"},
    {"stripe"},
    {"show"},
    {"progress"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
STANDS_APART = {"sandbox"}  # imports nothing of the engine; only demo (and tests) import it
IMPORTED_BY_NOTHING = {"generate"}
HEAVY = {"pandas", "pyarrow", "duckdb", "sqlalchemy", "httpx", "rich", "msgspec", "numpy", "dateutil"}


def modules() -> Iterator[tuple[str, Path]]:
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield name, file


def imports(file: Path) -> set[str]:
    """Return the names of our own modules that a file imports, those for type checking alone left out."""
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "connector":
            found |= {node.module.split(".")[1]} if "." in node.module else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("connector.")}
    return found


def layer(name: str) -> int:
    return next(rank for rank, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize(("name", "file"), sorted(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_one_way(name: str, file: Path) -> None:
    for imported in imports(file) - {name}:
        if name in STANDS_APART:
            pytest.fail(f"{file.name} imports connector.{imported}: the {name} stands apart")
        assert imported not in IMPORTED_BY_NOTHING
        if name in IMPORTED_BY_NOTHING:
            continue
        if imported in STANDS_APART:
            assert name == "demo", f"{file.name} imports the {imported}"
            continue
        assert layer(imported) < layer(name), f"{file.name} imports connector.{imported}, which stands above it"


def test_every_module_has_its_place() -> None:
    placed = set().union(*LAYERS) | STANDS_APART | IMPORTED_BY_NOTHING
    assert {name for name, _ in modules()} == placed


def test_the_public_names_are_exactly_these() -> None:
    assert connector.__all__ == ["ConnectorError", "Stripe", "major", "minor"]
    for name in connector.__all__:
        assert getattr(connector, name)
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
