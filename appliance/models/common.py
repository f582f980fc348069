"""What all shapes share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

T = TypeVar("T")

Id = Annotated[str, Field(description="Identifier; a text, because it may have 64 bits.")]
Moment = Annotated[datetime, Field(description="RFC 3339, UTC.")]
Word = Annotated[str, Field(max_length=256)]
"""A name. Only with a limit does pydantic refuse lone surrogates, which JSON can spell and nothing can store."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("beyond_calendar", "This is outside of the calendar.") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that somebody names, in whatever time zone."""


class Shape(BaseModel):
    """Something that the API answers."""

    model_config = ConfigDict(frozen=True)


class Input(BaseModel):
    """Something that the API accepts; fields that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Shape, Generic[T]):
    """Part of a list."""

    items: list[T] = Field(description="The entries, in the order that was asked for.")
    next: str | None = Field(default=None, description="Give this as `after` to get the next page; null at the end.")
    seq: str = Field(description="Number of the newest event that the list shows: follow `/events?since=` from here.")
    count: int | None = Field(default=None, description="Number of all entries that match; only with `count=exact`.")


def clean(text: str) -> str:
    """Return text from the wire without the lone surrogates that UTF-8 has no room for."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
