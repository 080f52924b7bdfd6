"""The content of one definition file: TOML, read by key and by kind; errors name the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from connector.errors import DefinitionError, did_you_mean


def read_toml(file: Path) -> dict[str, Any]:
    """Return what a TOML file says."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{place(file)}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{place(file)}: is not valid TOML: {error}") from error
    except RecursionError:
        raise DefinitionError(f"{place(file)}: is nested too deep to be read") from None


def place(file: Path) -> str:
    """Return how messages name a file: with its folder, since a name may stand in several."""
    return f"{file.parent.name}/{file.name}"


class Content:
    """What a file says, asked key by key."""

    def __init__(self, file: Path, content: Mapping[str, Any]) -> None:
        self.file = file
        self.content = dict(content)

    def fail(self, message: str) -> DefinitionError:
        """Return the error that says what is wrong in this file."""
        return DefinitionError(f"{place(self.file)}: {message}")

    def check_keys(self, spec: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        """Refuse keys that a table inside the file cannot have."""
        for key in spec:
            if key not in known:
                raise self.fail(f'unknown key "{key}" in {where}.{did_you_mean(key, known)}')

    def required(self, key: str) -> str:
        """Return a text that must be there."""
        if not self.text(key):
            raise self.fail(f'"{key}" is missing.')
        return self.text(key)

    def text(self, key: str) -> str:
        """Return a text, empty where there is none."""
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise self.fail(f'"{key}" must be text.')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text is a list of one."""
        value = self.content.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.fail(f'"{key}" must be a list of texts.')
        return tuple(values)

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Return one of the texts that a key can have."""
        value = self.text(key) or default
        if value not in choices:
            raise self.fail(f'"{key}" must be one of {", ".join(choices)}, not "{value}".')
        return value

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of names and values, empty where there is none."""
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f'"{key}" must be a table of names and values.')
        return cast("dict[str, Any]", value)

    def values(self, where: str, key: str, value: Any) -> tuple[str, ...]:
        """Return a list of values as they stand in a query."""
        if not isinstance(value, list) or not value:
            raise self.fail(f"{where}.{key} must be a list of values.")
        return tuple(query_text(item) for item in value)


def query_text(value: object) -> str:
    """Return a TOML value as it stands in a query: true, not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)
