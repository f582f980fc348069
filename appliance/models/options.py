"""Shapes with a field for each option that the core declares: its type, default, limits and words are said there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, create_model

from smbcore.state.options import OptionInfo, describe

Model = TypeVar("Model", bound=BaseModel)
Missing = Literal["default", "none", "refused"]

_TYPES: dict[str, Any] = {"bool": bool, "int": int, "str": str, "list": list[Annotated[str, Field(min_length=1)]]}


def with_options(
    options: type[Any], *, without: Collection[str] = (), missing: Missing = "default", limited: bool = True
) -> Callable[[type[Model]], type[Model]]:
    """Decorate a shape: it gets a field for each option of a dataclass.

    without  names of options that it does not have
    missing  what holds for a field that is left out: the option's default; None, which says nothing; or it is refused
    limited  texts and lists have the limits of what is let in; what was stored before may be longer
    """

    def add(shape: type[Model]) -> type[Model]:
        known = (info for info in describe(options) if info.name not in without)
        fields: dict[str, Any] = {info.name: _field(info, missing, limited=limited) for info in known}
        name, words, module = shape.__name__, shape.__doc__, shape.__module__
        return create_model(name, __base__=shape, __doc__=words, __module__=module, **fields)

    return add


def _field(info: OptionInfo, missing: Missing, *, limited: bool) -> tuple[Any, Any]:
    """Return the type and the declaration of the field that stands for an option."""
    kind: Any = Literal[info.choices] if info.choices else _TYPES[info.type]
    rules: dict[str, Any] = {"description": info.doc}
    if info.type == "int":
        rules |= {"ge": info.minimum, "le": info.maximum}
    elif limited and info.maximum is not None:
        rules["max_length"] = info.maximum
    if missing == "refused":
        return kind, Field(**rules)
    if missing == "none":
        return kind | None, Field(default=None, **rules)
    return kind, Field(default=list(info.default) if isinstance(info.default, tuple) else info.default, **rules)
