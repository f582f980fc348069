"""Typed options: a frozen dataclass whose fields carry their documentation and limits.

Options are stored as JSON objects.  `parse` turns such an object into the dataclass and refuses what it does not
know, `dump` writes back what differs from the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, TypeVar

T = TypeVar("T")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class OptionError(ValueError):
    """One option has no meaning or a value out of its range.

    option   its name
    message  one sentence for people
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option
        self.message = message


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """What people should know about one option.

    minimum, maximum  limits of a number; `maximum` also of how many characters a text or entries a list may have
    """

    name: str
    type: str  # bool | int | str | list
    default: object
    doc: str
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None


def option(
    default: Any,
    doc: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: int | None = None,
    maximum: int | None = None,
) -> Any:
    """Declare an option as a dataclass field."""
    metadata = {"doc": doc, "choices": choices, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=metadata)


def describe(cls: type[Any]) -> tuple[OptionInfo, ...]:
    """List the options of a dataclass, in order of declaration."""
    return tuple(_info(item) for item in fields(cls))


def parse(cls: type[T], values: Mapping[str, Any], stored: Mapping[str, Any] = _NOTHING) -> T:
    """Build the dataclass from a JSON object; options that are not given get their defaults.

    stored  what there is already: a text or list that stays as it is may be longer than one that is let in now
    Errors:  OptionError  unknown option, wrong type, or out of range
    """
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise OptionError(name, "there is no such option")
    return cls(
        **{
            name: _check(_info(known[name]), value, stays=name in stored and stored[name] == value)
            for name, value in values.items()
        }
    )


def dump(options: Any) -> dict[str, Any]:
    """Return the options that differ from their defaults as a JSON object."""
    result: dict[str, Any] = {}
    for item in fields(options):
        value = getattr(options, item.name)
        if value != item.default:
            result[item.name] = list(value) if isinstance(value, tuple) else value
    return result


def _info(item: Field[Any]) -> OptionInfo:
    default = "" if item.default is MISSING else item.default
    kind = "list" if isinstance(default, tuple) else type(default).__name__
    return OptionInfo(
        item.name,
        kind,
        default,
        item.metadata.get("doc", ""),
        item.metadata.get("choices", ()),
        item.metadata.get("minimum"),
        item.metadata.get("maximum"),
    )


def _check(info: OptionInfo, value: Any, *, stays: bool) -> Any:
    if info.type == "list":
        if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) and entry for entry in value):
            raise OptionError(info.name, "must be a list of texts")
        value = tuple(value)
    elif type(value).__name__ != info.type:
        raise OptionError(info.name, f"must be {_KIND_WORDS[info.type]}, not {value!r}")
    if info.choices and value not in info.choices:
        raise OptionError(info.name, f"must be one of {', '.join(info.choices)}")
    if info.minimum is not None and value < info.minimum:
        raise OptionError(info.name, f"must be at least {info.minimum}")
    is_number = info.type == "int"
    if info.maximum is not None and (is_number or not stays) and (value if is_number else len(value)) > info.maximum:
        raise OptionError(info.name, _MOST_WORDS[info.type].format(info.maximum))
    return value


_MOST_WORDS: Mapping[str, str] = {
    "int": "must be at most {}",
    "str": "must have at most {} characters",
    "list": "must have at most {} entries",
}
_KIND_WORDS: Mapping[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "str": "a text",
}
