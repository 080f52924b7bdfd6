"""Where definitions and actions are looked for: folders that were given, those that a config names, ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from connector.config import definition_folders
from connector.definitions.actions import Actions
from connector.definitions.endpoint import Endpoints
from connector.errors import ConfigError


def find_endpoints(definitions: str | Path | Iterable[str | Path] = (), config: str | Path | None = None) -> Endpoints:
    """Return the definitions: those of these folders, of the folders that the config names, and ours."""
    return Endpoints(_folders(definitions, config))


def find_actions(definitions: str | Path | Iterable[str | Path] = (), config: str | Path | None = None) -> Actions:
    """Return the actions: those in these folders of definitions, in those that the config names, and ours."""
    return Actions(_folders(definitions, config))


def _folders(definitions: str | Path | Iterable[str | Path], config: str | Path | None) -> list[Path]:
    chosen = [Path(folder) for folder in ([definitions] if isinstance(definitions, str | Path) else definitions)]
    for folder in chosen:
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder} with definitions.")
    folders = [*chosen, *definition_folders(config=Path(config) if config else None)]
    return list({folder.resolve(): folder for folder in folders}.values())
