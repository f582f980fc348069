"""The SMB core as services see it: commands that are carried out, or a Problem."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from appliance.problems import Problem, core_late, core_unreachable
from smbcore.control.client import call
from smbcore.control.errors import CommandFailed, ControlLate, ControlUnavailable
from smbcore.control.messages import BreakLease, CloseOpen, Message

_STATUS_OF_CODE = {"not_found": 404, "invalid": 422, "conflict": 409, "busy": 409}


class Core(Protocol):
    """Gives commands to the core."""

    def request(self, message: Message) -> Message:
        """Carry out one command and return its reply; blocks.

        Errors:  Problem  503 nobody answers, or not in time; 404, 409, 422 or 502 the core refused
        """
        ...


class SocketCore:
    """The core behind its control socket; safe in any thread."""

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        """Take the control socket and the seconds that a command may take."""
        self._path = path
        self._timeout = timeout

    def request(self, message: Message) -> Message:
        """Carry out one command and return its reply."""
        try:
            return call(self._path, message, timeout=self._timeout + _patience(message))
        except ControlLate as error:
            raise core_late() from error
        except ControlUnavailable as error:
            raise core_unreachable() from error
        except CommandFailed as error:
            status = _STATUS_OF_CODE.get(error.code, 502)
            code = error.code.replace("_", "-")
            raise Problem(status, f"core-{code}", "The SMB server refused the command", error.message) from error


def _patience(message: Message) -> float:
    """Return the seconds that a command may wait for a client before it is answered."""
    match message:
        case CloseOpen(polite_wait=seconds) | BreakLease(wait=seconds):
            return seconds
    return 0.0
