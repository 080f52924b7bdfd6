"""The JSONPath that picks rows out of a response.

JSONPath as in RFC 9535, with what people write besides: `@author` for `@.author`, `=~ /regex/` for "contains a
match", `<>` for `!=`, and a `!=` that holds only for objects that have the attribute. A path that only walks to the
items of one list is taken without the library; every page pays for it. Regular expressions are Python's: one that
backtracks without end is not cut short.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathMatch, NodeList
from jsonpath.exceptions import JSONPathError, JSONPathSyntaxError
from jsonpath.filter import UNDEFINED, BaseExpression, InfixExpression, IntegerLiteral, RegexLiteral
from jsonpath.lex import Lexer
from jsonpath.parse import Parser
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import NameSelector, WildcardSelector
from jsonpath.stream import TokenStream
from jsonpath.token import TOKEN_DDOT, TOKEN_NAME, TOKEN_SELF, Token

from connector.errors import DataError, UsageError

_NAME = re.compile(Lexer.key_pattern)
_UNREADABLE = (JSONPathError, RecursionError, ValueError, OverflowError)
_SHOWN_CHARACTERS = 200
_LISTS = ("list", "search_result", None)  # a list of v2 says nothing about what it is
_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "null", list: "an array"}


class RowFilter:
    """A JSONPath, understood once and applied to every page."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if not self.text:
            raise UsageError("The filter is empty; $.data[*] takes the items of a list.")
        try:
            self._path = cast(JSONPath, _LANGUAGE.compile(self.text))
        except _UNREADABLE as error:
            raise UsageError(_complaint(self.text, error)) from None
        self._plain = _plain_names(self._path)
        self._goes_on = self._path_to_has_more()
        self._descends = any(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in self._path.segments)

    def rows(self, document: object) -> list[object]:
        """Return what the path picks, in document order; DataError for a document that is nested too deep."""
        if self._plain is not None:
            return _items(document, self._plain)
        return self._picked(self._path, document)

    def plain_path(self) -> list[str] | None:
        """Return the names that lead to the one list whose items are picked: ["data"] for $.data[*]; else None."""
        return None if self._plain is None else list(self._plain)

    def cut_lists(self, document: object) -> int:
        """Return how many of the lists that rows come from have more items than stand there; not the document's own."""
        if self._goes_on is None:
            return 0
        is_own = self._descends and isinstance(document, dict) and document.get("has_more") is True
        return self._picked(self._goes_on, document).count(True) - is_own

    def _path_to_has_more(self) -> JSONPath | None:
        """Return what picks `has_more` of the lists inside objects whose `data` is walked, if the path walks one."""
        segments = self._path.segments
        for place in range(len(segments) - 2, -1, -1):
            selectors = segments[place].selectors
            if len(selectors) == 1 and isinstance(selectors[0], NameSelector) and selectors[0].name == "data":
                is_recursive = isinstance(segments[place], JSONPathRecursiveDescentSegment)
                if place == 0 and not is_recursive:
                    return None
                dots = ".." if is_recursive else "."
                return cast(JSONPath, _LANGUAGE.compile(f"{self._until(place)}{dots}has_more"))
        return None

    def above(self, document: object) -> str | None:
        """Return a filter that picks the objects just above what this one picks, or None if there are none."""
        *before, last = self._path.segments or [None]
        if isinstance(last, JSONPathRecursiveDescentSegment) and isinstance(last.selectors[0], NameSelector):
            return f"{self._until(len(before))}..[?(@.{last.selectors[0].name})]"
        for length in range(len(before), -1, -1):
            path = JSONPath(env=_LANGUAGE, segments=self._path.segments[:length])
            picked = self._picked(path, document)
            if picked and all(isinstance(item, dict) for item in picked):
                return self._until(length)
        return None

    def _until(self, length: int) -> str:
        """Return the text of the first segments."""
        segments = self._path.segments
        return self.text[: segments[length].token.index].rstrip() if length < len(segments) else self.text

    def _picked(self, path: JSONPath, document: object) -> list[object]:
        if not isinstance(document, dict | list):
            # The library would read a text as a JSON document.
            return [] if path.segments else [document]
        try:
            matches = list(path.finditer(document))
        except (JSONPathError, RecursionError) as error:
            reason = error.message if isinstance(error, JSONPathError) else "it is nested too deep"
            raise DataError(f"The filter {self.text} cannot be applied to the response: {reason}.") from None
        return [match.obj for match in (_in_document_order(matches) if self._descends else matches)]


def records(document: object, rows: RowFilter | None, origin: str = "The response") -> list[dict[str, Any]]:
    """Return the objects of a response: what the filter picks, else the items of a list, else the one object.

    `origin` is what errors call the response.
    """
    picked = _records_of(document) if rows is None else rows.rows(document)
    wrong = [item for item in picked if not isinstance(item, dict)]
    if not wrong:
        return cast(list[dict[str, Any]], picked)
    kind = _KINDS.get(type(wrong[0]), "a number")
    if rows is None:
        raise DataError(f"{origin} holds {kind} where an object is needed for a row; pick objects with --filter.")
    raise DataError(
        f"The filter {rows.text} picks {kind} where an object is needed for a row{_advice(rows, document)}."
    )


def _records_of(document: object) -> list[object]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document.get("object") in _LISTS:
        listed = document.get("data")
        if isinstance(listed, list) and all(isinstance(item, dict) for item in listed):
            return listed
    return [document]


def _advice(rows: RowFilter, document: object) -> str:
    picked = rows.rows(document)
    if all(isinstance(item, list) for item in picked):
        return f"; {rows.text}[*] picks the items"
    above = rows.above(document)
    return f"; {above} picks the object above it" if above else ""


def _items(document: object, names: Iterable[str]) -> list[object]:
    """Return what `[*]` picks at the end of a path of names."""
    for name in names:
        if not isinstance(document, dict) or name not in document:
            return []
        document = document[name]
    if isinstance(document, dict):
        return list(document.values())
    return list(document) if isinstance(document, list) else []


def _plain_names(path: JSONPath) -> list[str] | None:
    """Return the names of a path of single names and one final wildcard."""
    selectors = []
    for segment in path.segments:
        if isinstance(segment, JSONPathRecursiveDescentSegment) or len(segment.selectors) != 1:
            return None
        selectors.append(segment.selectors[0])
    if not selectors or not isinstance(selectors.pop(), WildcardSelector):
        return None
    names = [selector.name for selector in selectors if isinstance(selector, NameSelector)]
    return names if len(names) == len(selectors) else None


def _in_document_order(matches: Iterable[JSONPathMatch]) -> list[JSONPathMatch]:
    """Return each place once, an object before what is in it: `..` finds by level, and a place more than once."""
    places: dict[int, dict[Any, int]] = {}

    def position(match: JSONPathMatch) -> tuple[int, ...]:
        steps: list[int] = []
        while match.parent is not None:
            step, above = match.parts[-1], match.parent
            if isinstance(above.obj, Mapping):
                known = places.setdefault(id(above.obj), {})
                if not known:
                    known.update((key, number) for number, key in enumerate(above.obj))
                steps.append(known.get(step, -1))
            else:
                steps.append(int(step))
            match = above
        return tuple(reversed(steps))

    return sorted({match.parts: match for match in matches}.values(), key=position)


def _complaint(text: str, error: Exception) -> str:
    """Return one line that says what cannot be read, and where."""
    token = error.token if isinstance(error, JSONPathError) else None
    reason = str(error.message if isinstance(error, JSONPathError) else error) or "it is nested too deep"
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    if token is None:
        return f"The filter {shown} cannot be read: {reason}."
    if not 0 <= token.index < len(text):
        return f"The filter {shown} ends too early: {reason}."
    hint = " Two equal signs compare: ==." if text[token.index] == "=" and "unexpected" in reason else ""
    return f"The filter {shown} cannot be read at character {token.index + 1}, {text[token.index]}: {reason}.{hint}"


class _Lexer(Lexer):
    """Takes any word after `@` and `..` as a name, those too that mean something elsewhere: `@in`, `@not`."""

    def tokenize(self, path: str) -> Iterator[Token]:
        before = ""
        for token in super().tokenize(path):
            named = before in (TOKEN_SELF, TOKEN_DDOT) and _NAME.fullmatch(token.value)
            yield Token(TOKEN_NAME, token.value, token.index, path) if named else token
            before = token.kind


class _Parser(Parser):
    """Keeps every digit of an integer, and says where a regular expression is wrong or missing."""

    def parse_integer_literal(self, stream: TokenStream) -> BaseExpression:
        value = stream.current().value
        if "e" in value.lower():
            return super().parse_integer_literal(stream)
        stream.next()
        return IntegerLiteral(value=int(value))

    def parse_infix_expression(self, stream: TokenStream, left: BaseExpression) -> BaseExpression:
        token = stream.current()
        infix = cast(InfixExpression, super().parse_infix_expression(stream, left))
        if infix.operator == "=~" and not isinstance(infix.right, RegexLiteral):
            raise JSONPathSyntaxError("a regular expression stands between slashes, =~ /like this/", token=token)
        return infix

    def parse_regex(self, stream: TokenStream) -> BaseExpression:
        token = stream.current()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python thinks of the style of a pattern
                return cast(RegexLiteral, super().parse_regex(stream))
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            raise JSONPathSyntaxError(f"not a regular expression, {error}", token=token) from None


class _Language(JSONPathEnvironment):
    """JSONPath as people write it, without what the library alone knows beyond it."""

    lexer_class = _Lexer
    parser_class = _Parser
    # Each would take a character away from names or add a second way to say the same.
    filter_context_token = key_token = pseudo_root_token = union_token = intersection_token = ""

    def compare(self, left: object, operator: str, right: object) -> bool:
        if operator in ("!=", "<>"):
            about_absence = left is UNDEFINED or right is UNDEFINED
            absent = any(isinstance(side, NodeList) and side.empty() for side in (left, right))
            return (about_absence or not absent) and super().compare(left, "!=", right)
        if operator == "=~":
            return isinstance(left, str) and isinstance(right, re.Pattern) and right.search(left) is not None
        try:
            return super().compare(left, operator, right)
        except TypeError:  # `in` and `contains` between things of which one can never be in the other
            return False


_LANGUAGE = _Language()
