"""What every kind of object can do: be numbered, be made, be found, and have things happen to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.identities import Identities

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company


class Happening(NamedTuple):
    """Something that Stripe tells in an event: when, its type, and the object that it is about."""

    instant: int
    type: str
    kind: str
    number: int


class Numbering(Protocol):
    """Numbers along time: a `Series`, or something as good."""

    @property
    def end(self) -> int:
        """The number after the last one."""

    def created(self, number: int) -> int:
        """When it comes into being."""

    def first_at(self, instant: int) -> int:
        """The lowest number created at `instant` or later."""


class Reversible(Protocol):
    """Ids that can be read back."""

    def __call__(self, number: int, /) -> str:
        """The id of a number."""

    def number(self, text: str) -> int | None:
        """The number that an id was made from."""


class Kind:
    """One kind of object. `at` makes it as it was at an instant, so that events can show what it used to be."""

    name: ClassVar[str]
    numbering: Numbering
    ids: Reversible

    def __init__(self, company: Company) -> None:
        self.company = company
        self.story = company.story
        self.identities: Identities = company.identities

    def number(self, text: str) -> int | None:
        """The number of the object with this id, if it was made here."""
        return self.read(self.ids, text)

    def read(self, ids: Reversible, text: str) -> int | None:
        """The number of an id, if there is one so high."""
        found = ids.number(text)
        return found if found is not None and found < self.numbering.end else None

    def at(self, number: int, instant: int) -> Record | None:
        """The object as it was at an instant; None if there was none."""
        raise NotImplementedError

    def is_over(self, number: int, instant: int) -> bool:  # noqa: ARG002
        """Whether nothing happens to the object by itself after an instant; False where that is not quick to tell."""
        return False

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """Numbers, in any order, whose `field` may be `value`; None when that cannot be told without a scan."""
        raise NotImplementedError

    def happenings(self, slot: int) -> Iterator[Happening]:
        """What happens to objects of this kind in a slot, in any order."""
        raise NotImplementedError


class OfCustomer(Kind):
    """A kind of which a customer has one at most, with the number of the customer."""

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer."""
        if field != "customer":
            return None
        customer = self.company.customers.number(value)
        return () if customer is None else (customer,)
