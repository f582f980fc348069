r"""Messages as lines of JSON.

    {"id": 7, "type": "CloseOpen", "body": {"open_key": 4711, "reason": ""}}\n

`id` is chosen by the client; replies and hints carry that of the request they belong to.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields
from typing import Any

from smbcore.control.errors import ControlError
from smbcore.control.messages import MESSAGES, Message

MAX_LINE = 1 << 20
"""Most bytes of one line, the line feed included."""

_MAX_ID = (1 << 53) - 1
_MAX_SECONDS = 600


def encode(request_id: int, message: Message) -> bytes:
    """Return one line.

    Errors:  ControlError  longer than MAX_LINE
    """
    line = {"id": request_id, "type": type(message).__name__, "body": asdict(message)}
    data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    if len(data) > MAX_LINE:
        raise ControlError(f"a message of {len(data)} bytes is too long")
    return data


def decode(line: bytes) -> tuple[int, Message]:
    """Return request id and message of one line.

    Errors:  ControlError  no JSON, unknown type, missing or unknown field, or a field of the wrong type
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("a line is not JSON") from error
    if not isinstance(content, dict) or content.keys() != {"id", "type", "body"}:
        raise ControlError("a message needs id, type and body")
    request_id = content["id"]
    if type(request_id) is not int or not 0 <= request_id <= _MAX_ID:
        raise ControlError("a request id is not a number")
    return request_id, _message(content["type"], content["body"])


def _message(name: object, body: object) -> Message:
    cls = MESSAGES.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ControlError(f"there is no message {name!r}")
    if not isinstance(body, dict):
        raise ControlError(f"the body of {name} is not an object")
    known = {item.name: item for item in fields(cls)}
    for key, value in body.items():
        if key not in known:
            raise ControlError(f"{name} has no field {key!r}")
        # Annotations are texts here: `from __future__ import annotations` in messages.py.
        if not _CHECKS[str(known[key].type)](value):
            raise ControlError(f"{name}.{key} must be {known[key].type}")
    for key, item in known.items():
        if key not in body and item.default is MISSING and item.default_factory is MISSING:
            raise ControlError(f"{name} needs {key}")
    return cls(**body)


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(type(item) is int for item in value.values())


def _is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MAX_SECONDS


def _is_names(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_texts(item) for item in value.values())


_CHECKS = {
    "int": _is_int,
    "str": _is_str,
    "float": _is_seconds,
    "list[str]": _is_texts,
    "dict[str, int]": _is_numbers,
    "dict[str, list[str]]": _is_names,
}
