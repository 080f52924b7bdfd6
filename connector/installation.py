"""How the connector was installed and started, so that what it advises can be typed as it stands."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_DISTRIBUTION = "stripe-connector"


def command(arguments: str = "") -> str:
    """Return the line that starts the connector again, as it was started: by uv in a clone, or installed."""
    is_clone = (Path(__file__).parents[1] / "pyproject.toml").is_file()
    return f"{'uv run ' if is_clone and 'UV' in os.environ else ''}connector {arguments}".rstrip()


def install(extra: str) -> str:
    """Return the line that installs the libraries of an extra beside the connector, wherever that came from."""
    names = " ".join(f'"{name}"' if "[" in name else name for name in libraries(extra))
    return f"uv pip install --python {sys.prefix} {names}" if _is_made_by_uv() else f"pip install {names}"


def libraries(extra: str) -> list[str]:
    """Return the names of the libraries of an extra."""
    from importlib.metadata import requires

    pattern = re.compile(rf"([\w.-]+(?:\[[\w,-]+\])?)[^;]*;.*extra == ['\"]{extra}['\"]")
    return [found[1] for line in requires(_DISTRIBUTION) or () if (found := pattern.match(line))]


def _is_made_by_uv() -> bool:
    """Say whether uv made the environment: there is no pip in it."""
    settings = Path(sys.prefix) / "pyvenv.cfg"
    return settings.is_file() and re.search("^uv = ", settings.read_text(encoding="utf-8"), re.MULTILINE) is not None
