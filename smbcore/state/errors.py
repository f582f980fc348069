"""What can go wrong with stored state, in words for the person who asked."""

from __future__ import annotations


class StateError(Exception):
    """A change to the configuration was refused.

    field    name of the offending input, "" when no single one is to blame
    message  one sentence for people
    """

    __slots__ = ("field", "message")

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class NotFoundError(StateError):
    """The row that should be changed does not exist."""

    __slots__ = ()


class ConflictError(StateError):
    """The row was changed by someone else since it was read (its version is another one)."""

    __slots__ = ()


class ConfigurationError(Exception):
    """The stored configuration cannot be used as it is; the text names row and option."""


class SchemaError(Exception):
    """The database has another schema version than this program; the text says which and what to do."""


class KeyFileError(Exception):
    """The key file is missing, damaged, readable by others, or not the one the secrets were written with."""


class StateUnavailableError(Exception):
    """The database did not take a row that had to be stored before going on."""
