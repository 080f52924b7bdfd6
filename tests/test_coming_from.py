"""The page on coming from another tool: every operation and label that people know leads to something that is there."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector.cli.app import commands
from connector.definitions.actions import Actions
from connector.definitions.endpoint import Endpoints
from connector.request.jsonpath import RowFilter

PAGE = (Path(__file__).parents[1] / "docs/coming-from.md").read_text(encoding="utf-8")
ENDPOINTS, ACTIONS = Endpoints(), Actions()
OPTIONS = {
    word
    for command in commands.commands.values()
    for each in command.params
    for word in (*each.opts, (each.name or "").upper())
}
NOWHERE = "–"


@dataclass
class Section:
    """What the page says of one kind of objects: operation → command, label → where it is now and the remark."""

    operations: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, tuple[list[str], str]] = field(default_factory=dict)


def sections() -> Iterator[tuple[str, Section]]:
    for part in PAGE.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        operations, _, labels = text.partition("| label |")
        section = Section()
        for names, command in rows(operations):
            section.operations |= dict.fromkeys(names.split(" · "), shlex.split(command.strip("`")))
        for label, places, remark in rows(labels):
            section.labels[label.strip("`")] = (re.findall("`(.+?)`", places), remark)
        yield title, section


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of the lines of a table, without those of its head."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
        if cells[0] not in ("operation", "---", "column or parameter", "option or column"):
            yield cells


SECTIONS = dict(sections())
COMMANDS = [command for section in SECTIONS.values() for command in section.operations.values()]
LABELS = [(title, label) for title, section in SECTIONS.items() for label in section.labels]


def has(command: list[str], place: str) -> bool:
    """Whether a place is a column, condition or parameter of what a command is about."""
    _, verb, of, *rest = command
    if verb == "extract":
        return place in ENDPOINTS[of].conditionable()
    if verb == "write":
        action = ACTIONS.find(of, rest[0])
        return place in action.ids or action.parameter(place) is not None
    return place in OPTIONS


def test_every_command_of_the_page_is_about_a_table_an_action_or_a_call(subtests: pytest.Subtests) -> None:
    for command in COMMANDS:
        connector, verb, of, *rest = command
        with subtests.test(" ".join(command)):
            assert (connector, verb in commands.commands) == ("connector", True)
            assert verb != "extract" or of in ENDPOINTS
            assert verb != "write" or ACTIONS.find(of, rest[0])
            for condition in (rest[place + 1] for place, word in enumerate(rest) if word == "--where"):
                assert re.split("[=<>]", condition)[0] in ENDPOINTS[of].conditionable()
            assert {word for word in rest if word.startswith("--")} <= OPTIONS


def test_every_label_of_the_page_leads_somewhere_or_says_why_not(subtests: pytest.Subtests) -> None:
    for title, label in LABELS:
        places, remark = SECTIONS[title].labels[label]
        with subtests.test(title, label=label):
            assert places or remark
            for place in places:
                assert place in OPTIONS or any(has(command, place) for command in SECTIONS[title].operations.values())
            if label.startswith("$"):
                assert RowFilter(label)


def known_operations() -> list[tuple[str, list[str]]]:
    """Return the operations of other tools with their labels, where the list of them is at hand."""
    folder = os.environ.get("STRIPE_SPEC_DIR")
    file = Path(folder).parent / "coming_from.md" if folder else None
    if file is None or not file.is_file():
        return []
    found = re.findall(r"^- \*\*(.+?)\*\*: (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return [(name, [] if said == "no parameters" else said.removesuffix(".").split("; ")) for name, said in found]


@pytest.mark.skipif(not known_operations(), reason="the list of what people bring along is not here")
def test_all_74_operations_and_their_labels_stand_on_the_page() -> None:
    assert len(known_operations()) == 74
    missing = [problem for name, labels in known_operations() for problem in _missing(name, labels)]
    assert missing == []


def _missing(name: str, labels: list[str]) -> Iterator[str]:
    section = next((each for each in SECTIONS.values() if name in each.operations), None)
    if section is None:
        yield name
        return
    for label in labels:
        known = section.labels.get(label) or section.labels.get(re.sub(r" \(.*\)$", "", label))
        if known is None or not (known[1] or any(has(section.operations[name], place) for place in known[0])):
            yield f"{name}: {label}"
