"""JSONPath as people write it: twelve forms, the quick way, and errors that say where."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import DataError, UsageError
from connector.request.jsonpath import RowFilter, records

SAM = {"id": 1, "author": "sam", "price": 8.5, "sections": [{"id": "s1"}, {"id": "s2"}]}
BOB = {"id": 2, "author": "bob", "price": 12, "sections": []}
SAMUEL = {"id": 3, "author": "samuel jones", "price": 9, "sections": [{"id": "s3"}]}
ANN = {"id": 4, "author": "ann bob", "price": "7.00"}
NOBODY = {"id": 5, "author": None, "price": 10}
UNSIGNED = {"id": 6, "price": 3}
EARLY, FIRST, SECOND, LATE = (
    {"id": name, "hiredate": date}
    for name, date in [("e", "2014-12-31"), ("f", "2015-01-02"), ("g", "2015-01-03"), ("l", "2015-01-04")]
)
STORE: dict[str, Any] = {
    "store": {
        "books": [SAM, BOB, SAMUEL, ANN, NOBODY, UNSIGNED],
        "employees": [LATE, FIRST, EARLY, SECOND],
    }
}
# Authors at other places, one within another; books are an object by name.
NESTED: dict[str, Any] = {
    "store": {
        "books": {"x": SAM, "y": {"id": 7, "author": "kim", "sections": {"one": {"id": "s4"}}}},
        "lead": {"id": 8, "author": "sam", "assistant": {"id": 9, "author": "sam"}},
        "employees": [],
    },
    "editor": {"id": 10, "author": "sam"},
}
ELSEWHERE: dict[str, Any] = {"warehouse": {"shelves": [{"id": 11, "label": "sam"}, "author", 3]}, "store": None}

FORMS: list[tuple[str, list[Any], list[Any]]] = [
    ("$.store.books[*]", [1, 2, 3, 4, 5, 6], [1, 7]),
    ("$.store.books[*].sections[*]", ["s1", "s2", "s3"], ["s1", "s2", "s4"]),
    ("$.store.books[?(@author=='sam')]", [1], [1]),
    ("$..[?(@author=='sam')]", [1], [1, 8, 9, 10]),
    ("$..[?(@author!='sam')]", [2, 3, 4, 5], [7]),
    ("$.store.books[?(@.price<10)]", [1, 3, 6], [1]),
    ("$.store.books[?(@author=~ /sam|bob/ )]", [1, 2, 3, 4], [1]),
    ("$.store.books[?(@author=~ /^((?!sam|bob).)*$/ )]", [], [7]),
    ("$.store.books[?(@author=~ /^sam|bob$/ )]", [1, 2, 3, 4], [1]),
    ("$.store.books[?(@author=~ /^sam/ )]", [1, 3], [1]),
    ("$.store.books[?(@author=~ /sam$/ )]", [1], [1]),
    ("$.store.employees[?( @.hiredate>'2015-01-01' && @.hiredate<'2015-01-04' )]", ["f", "g"], []),
]


def ids(text: str, document: object) -> list[Any]:
    return [row["id"] for row in records(document, RowFilter(text))]


@pytest.mark.parametrize(("text", "in_store", "in_nested"), FORMS)
def test_each_form_picks_what_it_says(text: str, in_store: list[Any], in_nested: list[Any]) -> None:
    assert ids(text, STORE) == in_store
    assert ids(text, NESTED) == in_nested
    assert ids(text, ELSEWHERE) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$.store.books[?(@author != null)]", [1, 2, 3, 4]),
        ("$.store.books[?(@author == null)]", [5]),
        ("$.store.books[?(@author <> 'sam')]", [2, 3, 4, 5]),
        ("$.store.books[?(!@author)]", [6]),
        ("$.store.books[?(@author =~ /SAM/i)]", [1, 3]),
        ("$.store.books[?(@id > 1 and not(@author =~ /bob/))]", [3, 5, 6]),
        ("$.store.books[?(@author in ['sam','bob'])]", [1, 2]),
        ("$.store.books[?(@author contains 3 || @id in @author)]", []),
        ("$.store.books[?('x' in @sections)]", []),
        ("$.store.books[-1:]", [6]),
        ("$['store']['books'][1,0]", [2, 1]),
        ("store.books[0]", [1]),
        ("$.store.lead", []),
    ],
)
def test_what_else_people_write(text: str, expected: list[Any]) -> None:
    assert ids(text, STORE) == expected


@pytest.mark.parametrize("name", ["in", "or", "not", "null", "contains", "_id", "über", "true", "missing"])
def test_any_word_is_an_attribute(name: str) -> None:
    document = {"data": [{"id": 1, name: "x"}, {"id": 2, name: "y"}, {"id": 3}]}
    for text in (f"$.data[?(@{name}=='x')]", f"$.data[?(@.{name}=='x')]", f"$..[?(@{name}=='x')]"):
        assert ids(text, document) == [1]
    assert RowFilter(f"$..{name}").rows(document) == ["x", "y"]


def test_integers_are_compared_to_the_last_digit() -> None:
    document = {"data": [{"id": 9007199254740992}, {"id": 9007199254740993}]}
    assert ids("$.data[?(@.id == 9007199254740993)]", document) == [9007199254740993]


def test_rows_found_at_any_depth_come_in_document_order_and_once() -> None:
    document = {"a": {"id": 1, "b": [{"id": 2, "c": {"id": 3}}]}, "d": {"id": 4}}
    assert ids("$..[?(@.id)]", document) == [1, 2, 3, 4]
    assert ids("$..*..[?(@.id)]", document) == [2, 3]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$.data[*]", ["data"]),
        ("$.a.b[*]", ["a", "b"]),
        ("$['a b']['c'].*", ["a b", "c"]),
        ("data[*]", ["data"]),
        ("$[*]", []),
        ("$.data", None),
        ("$", None),
        ("$.data[0]", None),
        ("$.a[*].b[*]", None),
        ("$..data[*]", None),
        ("$.data[?(@.id)]", None),
        ("$['a','b'][*]", None),
    ],
)
def test_a_path_to_the_items_of_one_list_is_known_as_such(text: str, path: list[str] | None) -> None:
    assert RowFilter(text).plain_path() == path


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abd", max_size=2),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("abd"), inside, max_size=3),
    max_leaves=12,
)


@given(json_values, st.lists(st.sampled_from("abd"), max_size=3))
def test_a_plain_path_picks_the_same_on_the_quick_way_and_by_the_library(document: Any, names: list[str]) -> None:
    quick = RowFilter("$" + "".join(f".{name}" for name in names) + "[*]")
    slow = RowFilter("$" + "".join(f"['{name}']" for name in names) + "[*]")
    slow._plain = None
    assert quick.plain_path() == names
    assert quick.rows(document) == slow.rows(document)


def test_the_quick_way_is_quicker() -> None:
    fat = {f"field_{number}": {"text": "x" * 50, "numbers": [1, 2, 3]} for number in range(60)}
    page = {"object": "list", "data": [fat] * 100}
    quick, slow = RowFilter("$.data[*]"), RowFilter("$.data[*]")
    slow._plain = None

    def seconds(rows: RowFilter) -> float:
        began = time.perf_counter()
        assert len(rows.rows(page)) == 100
        return time.perf_counter() - began

    assert min(seconds(quick) for _ in range(20)) < min(seconds(slow) for _ in range(20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("$.data[?(@.x=1)]", r"at character 13, =: unexpected token '='. Two equal signs compare: =="),
        ("$.data[", "ends too early"),
        ("$.data[?(@.x==1]", r"at character 9, \(: unbalanced parentheses"),
        ("$.data[?(@.x =~ /(/ )]", r"at character 18, \(: not a regular expression, missing \)"),
        ("$.data[?(@.x =~ /a{99999999999999}/ )]", "not a regular expression"),
        ("$.data[?(@.x =~ 'a')]", "between slashes"),
        ("$.data[?(nothing(@.x))]", "function 'nothing' is not defined"),
        ("$.a | $.b", r"at character 5, \|"),
        ("$[99999999999999999999]", "index out of range"),
        ("$[?(@.a == 1e999)]", "cannot be read"),
        ("$[?(" + "(" * 5000, "cannot be read"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        RowFilter(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_regular_expression_that_python_finds_odd_is_taken_without_a_word() -> None:
    assert ids("$[?(@.x =~ /[[a]/)]", [{"id": 1, "x": "["}]) == [1]


PIECES = """
$ . .. [ ] * ? ( ) @ a 'a' 1 :1.5 -1 == != <> < =~ /a/ /(/ && || ! , : ~ # ^ | _ in and contains length( match( null
undefined [1] [?(@.a)
"""
pieces = st.sampled_from(PIECES.split())


@given(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=12), json_values)
def test_whatever_is_typed_picks_rows_or_says_why_not(text: str, document: Any) -> None:
    for written in (text, f"$[?({text})]", f"$..{text}"):
        with contextlib.suppress(UsageError, DataError):
            assert all(isinstance(row, dict) for row in records(document, RowFilter(written)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$.data[*].name", r"\$\.data\[\*\]\.name picks text where .*; \$\.data\[\*\] picks the object above it\.$"),
        ("$.data[*]['tags'][*]", r"picks a number .*; \$\.data\[\*\] picks the object above"),
        ("$.data", r"picks an array .*; \$\.data\[\*\] picks the items"),
        ("$..name", r"picks text .*; \$\.\.\[\?\(@\.name\)\] picks the object above"),
        ("$.more", r"picks true or false .*; \$ picks the object above"),
        ("$.data[*].none", r"picks null .*; \$\.data\[\*\] picks the object above"),
    ],
)
def test_a_value_is_no_row_and_the_object_above_it_is_named(text: str, message: str) -> None:
    document = {"data": [{"name": "x", "tags": [1, 2.5], "none": None}], "more": True}
    with pytest.raises(DataError, match=message):
        records(document, RowFilter(text))
    advised = message.partition("; ")[2].partition(" picks")[0].replace("\\", "")
    assert records(document, RowFilter(advised))


def test_a_document_that_is_one_text_is_not_read_as_json() -> None:
    assert RowFilter("$").rows('{"a": 1}') == ['{"a": 1}']
    assert RowFilter("$.a").rows('{"a": 1}') == []
    assert RowFilter("$[*]").rows("[1]") == []


def test_an_answer_nested_too_deep_is_an_error_in_one_line() -> None:
    document: Any = {}
    for _ in range(400):
        document = {"a": document}
    with pytest.raises(DataError, match=r"\$\.\.a cannot be applied to the response: recursion"):
        RowFilter("$..a").rows(document)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"object": "list", "data": [{"id": 1}, {"id": 2}], "has_more": False}, [{"id": 1}, {"id": 2}]),
        ({"object": "search_result", "data": [{"id": 1}]}, [{"id": 1}]),
        ({"data": [{"id": 1}], "next_page_url": None}, [{"id": 1}]),
        ({"object": "list", "data": []}, []),
        ([{"id": 1}], [{"id": 1}]),
        ([], []),
        ({"id": 1, "object": "event", "data": [{"id": 2}]}, [{"id": 1, "object": "event", "data": [{"id": 2}]}]),
        ({"data": {"object": {"id": 1}}}, [{"data": {"object": {"id": 1}}}]),
        ({"data": [1, 2]}, [{"data": [1, 2]}]),
        ({}, [{}]),
    ],
)
def test_without_a_filter_the_items_of_a_list_or_the_one_object(document: Any, expected: list[Any]) -> None:
    assert records(document, None) == expected


@pytest.mark.parametrize("document", [None, "text", 3, 2.5, True, [1], [[]], [{"id": 1}, None]])
def test_an_answer_without_objects_has_no_rows_to_give(document: Any) -> None:
    with pytest.raises(DataError, match="pick objects with --filter"):
        records(document, None)
