"""What an action may say; finds, loads and checks the files in endpoints/actions/.

A file holds the writes of one object: what is called, with which parameters, and what a person has decided about it:
whether it moves money, destroys or lets somebody in, which event tells of it, and how the object looks when it is done.
A folder of the user's own may hold `actions/` too; a file there replaces ours by name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from connector.definitions.endpoint import shipped_folder
from connector.errors import DefinitionError, UsageError, did_you_mean

FOLDER = "actions"
PARAMETER_TYPES = ("text", "integer", "number", "decimal", "boolean", "timestamp", "object", "map", "json", "file")
NEEDS = ("money", "delete", "access")
UNDECIDED = ("money", "delete")  # what an action needs until somebody has decided
TEST_HELPERS = "/v1/test_helpers/"
ACTION_KEYS = ("call", "needs", "why", "done", "event", "parameters")
_PARAMETER_KEYS = ("type", "required", "clearable", "enum", "values", "needs")
_HOLE = re.compile(r"{(\w+)}")
_PLACE = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its `path` as in items[].price, one of PARAMETER_TYPES, and whether it takes many.

    `enum` are the only words that it takes, `values` those that are known among others. An empty text clears what
    is `clearable`. `needs` is what has to be allowed besides what the action needs.
    """

    path: str
    type: str
    many: bool = False
    required: bool = False
    clearable: bool = False
    enum: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    """One write of the object that it is `of`: `done` is how that looks afterwards, `event` what then tells of it."""

    of: str
    name: str
    method: str
    path: str
    needs: tuple[str, ...] = UNDECIDED
    why: str = ""
    done: Mapping[str, object] = field(default_factory=dict)
    event: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Its name with its object's, as invoices.pay."""
        return f"{self.of}.{self.name}"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids in the path, in their order: {id} is the object, those above it carry their parent's name."""
        return tuple(_HOLE.findall(self.path))

    @property
    def is_test_helper(self) -> bool:
        """Whether it works in test mode alone."""
        return self.path.startswith(TEST_HELPERS)

    def needs_of(self, paths: Iterable[str]) -> list[str]:
        """Return what has to be allowed before these parameters are sent, those inside others included."""
        words = set(self.needs)
        for path in paths:
            parts = re.split(r"[.[]", path)
            above = (self.parameters.get(".".join(parts[: end + 1])) for end in range(len(parts)))
            words.update(*(parameter.needs for parameter in above if parameter))
        return [word for word in NEEDS if word in words]

    def parameter(self, path: str) -> Parameter | None:
        """Return the parameter that a path means: items[0].price is one of items[].price, metadata.team of a map."""
        plain = _PLACE.sub("[]", path)
        found = self.parameters.get(plain)
        if found is not None:
            return found
        above, _, key = plain.rpartition(".")
        of_map = self.parameters.get(above) if key and "[" not in key else None
        if of_map is not None and of_map.type == "map":
            return Parameter(path, "text", clearable=True, needs=of_map.needs)
        listed = self.parameters.get(plain.removesuffix("[]")) if plain.endswith("[]") else None
        if listed is not None and listed.many:
            return Parameter(path, listed.type, enum=listed.enum, values=listed.values, needs=listed.needs)
        return None


class Actions:
    """All actions within reach, by object; each file is read when it is first asked for."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = [folder / FOLDER for folder in (*folders, shipped_folder())]
        self._loaded: dict[str, dict[str, Action]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all objects that have actions, sorted."""
        return iter(sorted({file.stem for folder in self._folders for file in folder.glob("*.toml")}))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, name: str) -> dict[str, Action]:
        if name not in self._loaded:
            file = self._find(name)
            if file is None:
                raise UsageError(
                    f'There is no object "{name}" that can be written.{did_you_mean(name, self)} '
                    "`connector endpoints` lists them all."
                )
            self._loaded[name] = read_actions(file)
        return self._loaded[name]

    def find(self, object_name: str, action: str) -> Action:
        """Return an action of an object; a UsageError with what is near where there is none."""
        known = self[object_name]
        if action not in known:
            near = did_you_mean(action, known) or f" There are {', '.join(known)}."
            raise UsageError(f'{object_name} has no action "{action}".{near}')
        return known[action]

    def of_call(self, method: str, path: str) -> Action | None:
        """Return the action that a call means, by its method and path; None where no file knows it."""
        # Every file may hold the call; those whose name begins as the path does are tried first, mostly one.
        words = path.removeprefix("/v1/").split("/")
        names = sorted(self, key=lambda name: (not _begins_alike(name, words[0]), name))
        for name in names:
            fitting = [action for action in self[name].values() if action.method == method and _fits(action.path, path)]
            if fitting:
                return min(fitting, key=lambda action: len(action.ids))  # /v1/invoices/create_preview is no invoice
        return None

    def _find(self, name: str) -> Path | None:
        files = (folder / f"{name}.toml" for folder in self._folders)
        return next((file for file in files if file.is_file()), None)


def read_actions(file: Path) -> dict[str, Action]:
    """Read and check one file of actions; errors name file, key and what is near."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{_at(file)}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{_at(file)}: is not valid TOML: {error}") from error
    return {name: _action(file, name, value) for name, value in content.items()}


def _action(file: Path, name: str, value: object) -> Action:
    where = f"{_at(file)}: [{name}]"
    table = _table(value, where)
    _check_keys(table, ACTION_KEYS, where)
    call = table.get("call")
    method, _, path = call.partition(" ") if isinstance(call, str) else ("", "", "")
    if method not in ("POST", "DELETE") or not path.startswith("/"):
        raise DefinitionError(f'{where} needs its call, as in call = "POST /v1/invoices/{{id}}/pay".')
    parameters = _table(table.get("parameters", {}), f"{where} parameters")
    return Action(
        of=file.stem,
        name=name,
        method=method,
        path=path,
        needs=_needs(table.get("needs", UNDECIDED), where),
        why=str(table.get("why", "")),
        done=_table(table.get("done", {}), f"{where} done"),
        event=str(table.get("event", "")),
        parameters={path: _parameter(path, spec, f'{where} parameter "{path}"') for path, spec in parameters.items()},
    )


def _parameter(path: str, value: object, where: str) -> Parameter:
    spec = {"type": value} if isinstance(value, str) else _table(value, where)
    _check_keys(spec, _PARAMETER_KEYS, where)
    kind = str(spec.get("type"))
    if kind.removesuffix("[]") not in PARAMETER_TYPES:
        near = did_you_mean(kind, PARAMETER_TYPES) or f" Types: {', '.join(PARAMETER_TYPES)}."
        raise DefinitionError(f'{where} has the unknown type "{kind}".{near}')
    return Parameter(
        path=path,
        type=kind.removesuffix("[]"),
        many=kind.endswith("[]"),
        required=spec.get("required") is True,
        clearable=spec.get("clearable") is True,
        enum=tuple(map(str, spec.get("enum", ()))),
        values=tuple(map(str, spec.get("values", ()))),
        needs=_needs(spec.get("needs", ()), where),
    )


def _needs(value: Any, where: str) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else tuple(value)
    for word in words:
        if word not in NEEDS:
            raise DefinitionError(f'{where}: needs takes {", ".join(NEEDS)}, not "{word}".')
    return words


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise DefinitionError(f'{where}: unknown key "{key}".{did_you_mean(key, known)}')


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DefinitionError(f"{where} must be a table of names and values.")
    return value


def _at(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _begins_alike(name: str, word: str) -> bool:
    return name.replace("_", "").startswith(word.replace("_", "").rstrip("s")[:6])


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(_HOLE.sub(r"[^/]+", template), path) is not None
