"""How a definition file is laid out: keys in one order, values in columns, what a person wrote beside them kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.definitions.toml import toml_key, toml_value

KEYS = (  # of a definition, in their order, before its filters and columns
    "extends", "description", "group", "docs", "path", "method", "object", "retrieve", "search", "primary_key", "order",
    "updates", "deletes", "paging", "parent", "nothing", "embedded", "by_name", "always", "each", "rows", "range",
    "reread",
)  # fmt: skip


def comments_of(text: str) -> dict[str, str]:
    """Return what a person wrote beside the lines, by section and key, and above the first line (by "")."""
    comments = {"": "".join(re.findall(r"\A((?:#.*\n|\n)+)", text))}
    section = ""
    for line in text.splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            section = heading[1]
        elif comment := re.match(r'("?[\w.]+"?)\s*=.*?[\]}"]\s+#\s*(.*)$', line):
            comments[f"{section}.{comment[1]}"] = comment[2]
    return comments


def definition_toml(
    top: Mapping[str, Any],
    filters: Mapping[str, Any],
    columns: Mapping[str, Any],
    comments: Mapping[str, str],
) -> str:
    """Return the text of a definition file."""
    lines = [comments[""].rstrip("\n")] if comments[""] else []
    lines += _aligned("", {key: top[key] for key in KEYS if top.get(key) or top.get(key) == []}, comments)
    if filters:
        lines += ["", "[filters]", *_aligned("filters", filters, comments)]
    lines += ["", "[columns]", *_aligned("columns", columns, comments)]
    return "\n".join(lines) + "\n"


def _aligned(section: str, pairs: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    width = max(len(toml_key(key)) for key in pairs)
    lines = []
    for key, value in pairs.items():
        line = f"{toml_key(key):<{width}} = {toml_value(value)}"
        comment = comments.get(f"{section}.{toml_key(key)}")
        lines.append(f"{line}  # {comment}" if comment else line)
    return lines
