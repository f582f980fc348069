"""Templates: the environment they are drawn in, and what every page is given."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import webui
from appliance.models.shares import principal_words
from appliance.problems import Problem
from appliance.services.words import caching_words, deed_words, detail_words, handle_kind_words, plural

_ROOT = Path(webui.__file__).parent
STATIC_FOLDER = _ROOT / "static"
_ICONS = STATIC_FOLDER / "vendor" / "lucide-static@1.62.0"
_NOTICE_COOKIE = "holdfast_notice"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


class Renderer:
    """Draws templates. One per application; safe in any thread."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_ROOT / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(icon=icon, static=static_address, plural=plural)
        environment.filters.update(
            ago=ago,
            left=left,
            size=size,
            stamp=stamp,
            iso=iso,
            initials=initials,
            caching=caching_words,
            handle_kind=handle_kind_words,
            deed=deed_words,
            detail=detail_words,
            principal=principal_words,
            segment=lambda text: quote(text, safe=""),
        )
        self._environment = environment

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a template as text."""
        return self._environment.get_template(template).render(values)

    def error_page(self, request: Request, problem: Problem) -> Response:
        """Draw a problem for a browser; 401 leads to the sign-in page."""
        is_fragment = is_fragment_request(request)
        if problem.status == 401 and not is_fragment:
            target = request.url.path if request.method == "GET" else "/"
            return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
        template = "dialogs/problem.html" if is_fragment else "pages/problem.html"
        values = {
            "problem": problem,
            "trace_id": request.scope.get("trace_id", ""),
            "path": request.url.path,
            "caller": None,
            "theme": "",
        }
        return HTMLResponse(self.text(template, values), problem.status, dict(problem.headers))


def is_fragment_request(request: Request) -> bool:
    """Tell whether a script asked for part of a page."""
    return "x-fragment" in request.headers or request.headers.get("hx-request-type") == "partial"


def done(request: Request, target: str, notice: str) -> Response:
    """Answer a form that worked: go to a page and say so there; scripts get the words in a header."""
    if "x-fragment" in request.headers:
        return Response(status_code=204, headers={"X-Notice": quote(notice), "X-Target": target})
    response = RedirectResponse(target, 303)
    response.set_cookie(
        _NOTICE_COOKIE,
        urlsafe_b64encode(notice[:500].encode()).decode(),
        max_age=60,
        httponly=True,
        samesite="strict",
    )
    return response


def take_notice(request: Request) -> str:
    """Return what the page before wants to be said; `forget_notice` makes sure that it is said once."""
    try:
        return urlsafe_b64decode(request.cookies.get(_NOTICE_COOKIE, "")).decode()
    except ValueError:
        return ""


def forget_notice(response: Response) -> None:
    """Say the notice no more."""
    response.delete_cookie(_NOTICE_COOKIE, httponly=True, samesite="strict")


@lru_cache(maxsize=256)
def icon(name: str) -> Markup:
    """Return an icon as inline SVG, hidden from screen readers: the text beside it says it all."""
    text = (_ICONS / f"{name}.svg").read_text(encoding="utf-8")
    inner = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    shapes = " ".join(inner.split())
    return Markup(  # noqa: S704 - our own files
        '<svg class="icon" viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{shapes}</svg>'
    )


@lru_cache(maxsize=256)
def static_address(path: str) -> str:
    """Return the address of a static file, which changes with its content and may be kept for ever."""
    digest = hashlib.sha256((STATIC_FOLDER / path).read_bytes()).hexdigest()[:12]
    return f"/static/{quote(path)}?v={digest}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in one unit: "3 min"."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def left(moment: datetime, now: datetime) -> str:
    """Return how long it is until something, in one unit: "38 s left"."""
    return "expiring" if moment <= now else f"{ago(now, moment)} left"


def stamp(moment: datetime) -> str:
    """Return a moment in full, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime) -> str:
    """Return a moment for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(count: int) -> str:
    """Return a number of bytes in IEC units: "1.5 MiB"."""
    value = float(count)
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            break
        value /= _STEP
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def initials(name: str) -> str:
    """Return one or two letters that stand for a person."""
    words = [word for word in name.replace(".", " ").replace("_", " ").split() if word]
    return "".join(word[0] for word in words[:2]) or "?"
