"""What can go wrong with a request, in the shape of RFC 9457.

Services raise `Problem`; the API turns it into application/problem+json, pages into a form error or an error page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


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


def core_late() -> Problem:
    """The SMB server took the command, and has not answered in time."""
    return Problem(
        503,
        "core-late",
        "The SMB server has not answered in time",
        "It may still carry this out. Look again in a moment, before you try again.",
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


KINDS: Mapping[str, str] = MappingProxyType(
    {
        "unreadable": "The request is not JSON, or is cut off. Send it as `application/json`.",
        "invalid-input": "One or more inputs cannot be used; `errors` says which, and why.",
        "not-signed-in": "There is no valid token or browser session. Sign in, or send `Authorization: Bearer hf_…`.",
        "scope-missing": "The token is valid, but lacks the scope that this needs. Make one with that scope.",
        "not-allowed": "You may not do this.",
        "not-an-administrator": "The account can use the shares, but not manage the server.",
        "csrf-mismatch": "The form or script did not carry the secret of its session. Load the page again.",
        "content-too-large": "The body is larger than this server accepts.",
        "share-not-found": "There is no share of that name.",
        "user-not-found": "There is no user of that name.",
        "group-not-found": "There is no group of that name.",
        "quota-not-found": "The owner has no limit of his own on this share; the share's default holds for him.",
        "core-unusable": "The folder of the share cannot be used on the server; `detail` says why.",
        "session-not-found": "The session has ended.",
        "tcon-not-found": "The client has disconnected from the share.",
        "open-not-found": "The file has been closed.",
        "lease-not-found": "The client has given the lease back.",
        "node-not-found": "There is no such node.",
        "token-not-found": "The token was revoked.",
        "not-found": "There is nothing at this address.",
        "core-not-found": "The SMB server has no such object any more: it has just gone.",
        "core-invalid": "The SMB server cannot do this; `detail` says why.",
        "core-unreachable": "The SMB server does not answer, so nothing was done there. Check that it is running.",
        "core-late": "The SMB server has not answered in time; it may still carry this out. Look again in a moment.",
        "core-internal": "The SMB server failed to carry this out; its log says why.",
        "if-match-missing": "Changes need `If-Match` with the entity tag that you have read, so that none get lost.",
        "if-match-unreadable": '`If-Match` is an entity tag as the server sends it, such as `"v17"`.',
        "changed-meanwhile": "Someone else changed the object; `current` holds it as it is now. Merge, and try again.",
        "too-many-attempts": "Wait as long as `Retry-After` says.",
        "setup-link-invalid": "The set-up link was used or has expired; `holdfast setup-url` prints a new one.",
        "gone": "It was there a moment ago.",
        "database-failing": "The database does not work; try again in a moment.",
        "internal": "A fault of the server; `trace_id` finds it in the log.",
    }
)
"""What each kind of problem means, and what to do about it."""
