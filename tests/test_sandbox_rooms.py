"""The sandbox's rooms: imports go one way between them, and files stay short enough to be read in a sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import connector.sandbox

PACKAGE = Path(connector.sandbox.__file__).parent
ROOMS = ("options", "document", "world", "history", "reads", "writes", "server", "sandbox", "differences")
"""From the ground up: each imports from those before it only."""

LONGEST = 400
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = (ast.Expr, ast.ImportFrom, ast.Assign)


def room(name: str) -> str:
    return name.removeprefix("connector.sandbox").strip(".").partition(".")[0]


def upward(file: Path) -> Iterator[str]:
    """Yield what a file imports that does not stand below its own room."""
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("connector"):
            imported = room(node.module or "")
            if imported != own and imported not in ROOMS[: ROOMS.index(own)]:
                yield f"{file.relative_to(PACKAGE)} imports {node.module}"


def test_a_room_imports_only_from_those_below_it() -> None:
    wrong = [line for file in FILES for line in upward(file)]
    assert not wrong, "\n".join(wrong)


def test_every_file_is_short_and_an_init_holds_names_only() -> None:
    texts = {str(file.relative_to(PACKAGE)): file.read_text(encoding="utf-8") for file in FILES}
    long = [name for name, text in texts.items() if text.count("\n") > LONGEST]
    assert not long, "\n".join(long)
    inits = {name: ast.parse(text).body for name, text in texts.items() if name.endswith("__init__.py")}
    code = [f"{name}: {ast.unparse(node)}" for name in inits for node in inits[name] if not isinstance(node, NAMES)]
    assert not code, "\n".join(code)
