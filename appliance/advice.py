"""What to do about an input that has not the wanted shape, in a sentence for people."""

from __future__ import annotations

from pydantic_core import ErrorDetails


def advice(error: ErrorDetails) -> str:
    """Return what is wanted instead of an input that was refused."""
    limits = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "This is needed."
        case "extra_forbidden":
            return "There is no such field."
        case "string_too_short":
            least = limits.get("min_length", 1)
            return "This is needed." if least == 1 else f"Give at least {least} characters."
        case "string_too_long":
            return f"Give at most {limits.get('max_length')} characters."
        case "too_long":
            return f"Give at most {limits.get('max_length')} entries."
        case "list_type":
            return "Must be a list."
        case "bool_parsing" | "bool_type":
            return "Must be true or false."
        case "int_parsing" | "int_type" | "int_from_float":
            return "Give a whole number."
        case "int_parsing_size":
            return "That is too large a number."
        case "timezone_aware":
            return "Say the time zone: 2027-01-31T12:00:00Z."
        case "greater_than_equal":
            return f"Must be at least {limits.get('ge')}."
        case "less_than_equal":
            return f"Must be at most {limits.get('le')}."
        case "literal_error":
            return f"Must be {limits.get('expected')}."
    return sentence(error["msg"])


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
