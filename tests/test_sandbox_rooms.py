"""The sandbox's rooms: imports go one way between them, and files stay short enough to be read in a sitting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import connector.sandbox

PACKAGE = Path(connector.sandbox.__file__).parent
ROOMS = ("options", "document", "world", "history", "reads", "writes", "server", "sandbox", "differences")
"""From the ground up: each imports from those before it only."""

LONGEST = 400
FILES = sorted(PACKAGE.rglob("*.py"))
ID = {str(file): str(file.relative_to(PACKAGE)) for file in FILES}


def room(name: str) -> str:
    return name.removeprefix("connector.sandbox").strip(".").partition(".")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: ID[str(file)])
def test_a_room_imports_only_from_those_below_it(file: Path) -> None:
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("connector"):
            imported = room(node.module or "")
            assert imported in ROOMS, f"{node.module} is no room of the sandbox"
            assert imported == own or ROOMS.index(imported) < ROOMS.index(own), node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: ID[str(file)])
def test_a_file_is_short_and_an_init_holds_names_only(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    if file.name == "__init__.py":
        assert all(isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign) for node in ast.parse(text).body)
