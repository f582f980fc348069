"""What can go wrong between the management service and the core."""

from __future__ import annotations


class ControlError(Exception):
    """The other side sent what is no message of ours."""


class ControlUnavailable(Exception):
    """The core cannot be reached, or did not answer in time; the text says which."""


class ControlLate(ControlUnavailable):
    """The core did not answer in time; it may still carry the command out."""


class CommandFailed(Exception):
    """The core refused a command.

    code     a word for programs: "not_found", "invalid", "internal", ...
    message  one sentence for people
    """

    __slots__ = ("code", "message")

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
