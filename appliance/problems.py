"""What can go wrong with a request, in the shape of RFC 9457.

Services raise `Problem`; the API turns it into application/problem+json, pages into a form error or an error page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldError:
    """One input that was refused.

    field    name of the input; nested names are joined by dots
    message  one sentence for people
    """

    field: str
    message: str


@dataclass(slots=True)
class Problem(Exception):
    """A request that was refused.

    status   HTTP status code
    code     stable short name, also the last part of the problem type: "share-name-taken"
    title    what went wrong, the same for every problem of this code
    detail   this occurrence, and what to do about it
    errors   the inputs to blame
    headers  to send along
    extra    further members of the document
    """

    status: int
    code: str
    title: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.detail or self.title


def not_found(kind: str, name: str) -> Problem:
    """There is no such object (any more)."""
    return Problem(404, f"{kind}-not-found", f"There is no such {kind}", f"There is no {kind} {name!r}.")


def invalid(field_name: str, message: str) -> Problem:
    """One input cannot be used."""
    return Problem(422, "invalid-input", "The input cannot be used", message, (FieldError(field_name, message),))


def unauthenticated(detail: str) -> Problem:
    """Nobody is signed in, or the token is not valid."""
    challenge = {"WWW-Authenticate": 'Bearer realm="holdfast"'}
    return Problem(401, "not-signed-in", "Sign in first", detail, headers=challenge)


def forbidden(detail: str, code: str = "not-allowed") -> Problem:
    """The caller is known but may not do this."""
    return Problem(403, code, "You may not do this", detail)


def core_unreachable() -> Problem:
    """The SMB server did not answer on its control socket."""
    return Problem(
        503,
        "core-unreachable",
        "The SMB server does not answer",
        "Nothing was changed on the SMB server. Check that it is running, then try again.",
        headers={"Retry-After": "5"},
    )


def too_many_attempts(seconds: int) -> Problem:
    """Sign-in attempts come too fast."""
    return Problem(
        429,
        "too-many-attempts",
        "Too many attempts",
        f"Wait {seconds} seconds before the next attempt.",
        headers={"Retry-After": str(seconds)},
    )
