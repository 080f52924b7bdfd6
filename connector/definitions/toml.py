"""Keys and values as TOML, on one line."""

from __future__ import annotations

import json
import re
from typing import Any


def toml_key(key: str) -> str:
    """Return a key as it stands in TOML: quoted where it is more than letters, digits, - and _."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_value(value: Any) -> str:
    """Return a text, number, boolean, list or table as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
