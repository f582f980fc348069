"""The audit log, and the API's own documentation; no page loads anything from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from appliance.pages.context import Page
from appliance.pages.rendering import is_fragment_request
from appliance.problems import KINDS
from appliance.services.audit_log import AuditFilter, search
from appliance.services.scopes import SCOPES

router = APIRouter()

_Text = Annotated[str, Query(max_length=200)]
_Cursor = Annotated[str | None, Query(max_length=40)]
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Operation:
    """One route of the API, for people."""

    method: str
    path: str
    summary: str
    text: str
    scope: str
    parameters: tuple[dict[str, Any], ...]
    fields: tuple[tuple[str, str, bool], ...]
    answer: str


@router.get("/audit")
def audit(
    page: Page,
    actor: _Text = "",
    action: _Text = "",
    target: Annotated[str, Query(alias="object", max_length=200)] = "",
    outcome: _Text = "",
    after: _Cursor = None,
) -> Response:
    """Show what was done, refused or failed."""
    wanted = AuditFilter(actor.strip(), action.strip(), target.strip(), outcome)
    with page.work.engine.connect() as connection:
        found = search(connection, wanted, _PAGE, after)
    folder = "fragments" if is_fragment_request(page.request) else "pages"
    return page.render(
        f"{folder}/audit.html",
        found=found,
        actor=actor,
        action=action,
        object=target,
        outcome=outcome,
        after=after,
    )


@router.get("/docs")
def api(page: Page) -> Response:
    """Show the routes of the API."""
    described = page.request.app.openapi()
    groups: dict[str, list[Operation]] = {}
    for path, methods in described["paths"].items():
        for method, found in methods.items():
            if path.startswith("/api/"):
                groups.setdefault(found["tags"][0], []).append(_operation(described, path, method, found))
    return page.render("pages/api.html", groups=groups, scopes=SCOPES)


@router.get("/docs/problems")
def problems(page: Page) -> Response:
    """Explain every kind of problem."""
    return page.render("pages/problems.html", kinds=KINDS)


def _operation(described: dict[str, Any], path: str, method: str, found: dict[str, Any]) -> Operation:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolve(described, body)
    required = schema.get("required", [])
    fields = tuple(
        (name, value.get("description", ""), name in required) for name, value in schema.get("properties", {}).items()
    )
    return Operation(
        method=method.upper(),
        path=path,
        summary=found.get("summary", ""),
        text=found.get("description", ""),
        scope=found.get("x-scope", ""),
        parameters=tuple(found.get("parameters", ())),
        fields=fields,
        answer=_answer(described, found),
    )


def _answer(described: dict[str, Any], found: dict[str, Any]) -> str:
    for status, response in found.get("responses", {}).items():
        if status.startswith("2"):
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            title = _resolve(described, schema).get("title", "") if name else schema.get("title", "")
            return f"{status} {title}".strip()
    return ""


def _resolve(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = described["components"]["schemas"][name] if name else schema
    return found
