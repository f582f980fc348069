"""What holds for every route: descriptions, scopes, audit, If-Match."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

import appliance
from appliance.pages.rendering import STATIC_FOLDER
from appliance.problems import KINDS
from appliance.services.scopes import SCOPES
from smbcore.state.configuration import IDENTITY_SETTINGS, Settings, ShareOptions
from smbcore.state.options import describe

ROOT = Path(appliance.__file__).parent
METHODS_THAT_CHANGE = {"POST", "PUT", "PATCH", "DELETE"}


def api_operations(app):
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/"):
                yield method.upper(), path, operation


async def test_every_operation_and_every_parameter_is_described(service):
    for method, path, operation in api_operations(service.app):
        assert operation.get("summary"), f"{method} {path}"
        assert operation.get("description"), f"{method} {path}"
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{method} {path}: {parameter['name']}"


async def test_every_field_of_every_shape_is_described(service):
    schemas = service.app.openapi()["components"]["schemas"]
    ours = {name: shape for name, shape in schemas.items() if "ValidationError" not in name}
    missing = [
        f"{name}.{field}"
        for name, shape in ours.items()
        for field, value in shape.get("properties", {}).items()
        if not (
            value.get("description") or schemas.get(value.get("$ref", "").rpartition("/")[2], {}).get("description")
        )
    ]
    assert missing == []


async def test_every_route_declares_a_known_scope_and_every_change_its_audit_action(service):
    count = 0
    for method, path, operation in api_operations(service.app):
        count += 1
        assert operation["x-scope"] in SCOPES, f"{method} {path}"
        if method in METHODS_THAT_CHANGE:
            assert re.fullmatch(r"[a-z_]+\.[a-z_]+", operation["x-audit"]), f"{method} {path}"
    assert count > 30


async def test_changes_of_configuration_objects_take_if_match(service):
    for method, path, operation in api_operations(service.app):
        if method in {"PUT", "PATCH", "DELETE"} and path.split("/")[3] in ("shares", "users", "groups", "settings"):
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert "if-match" in names, f"{method} {path}"


async def test_no_route_answers_without_knowing_the_caller(service):
    async with service.client() as client:
        for method, path, _ in api_operations(service.app):
            answer = await client.request(method, re.sub(r"\{[^}]+\}", "x", path), json={})
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.headers["content-type"] == "application/problem+json"


async def test_every_page_route_is_outside_of_the_api(service):
    for route in service.app.routes:
        if isinstance(route, APIRoute) and not route.include_in_schema:
            assert not route.path.startswith("/api/") or route.path == "/api/v1/openapi.json"


async def test_the_description_is_served_by_ourselves(api):
    found = (await api.get("/api/v1/openapi.json")).json()
    assert found["openapi"].startswith("3.1")
    assert "http" not in json.dumps(found["info"])


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ("ShareOptionsShape", ShareOptions),
        ("ShareOptionsChange", ShareOptions),
        ("ServerSettings", Settings),
        ("SettingsChange", Settings),
    ],
)
async def test_options_are_described_as_the_server_declares_them(service, shape, options):
    fields = service.app.openapi()["components"]["schemas"][shape]["properties"]
    known = {info.name: info for info in describe(options) if info.name not in IDENTITY_SETTINGS}
    assert set(fields) - {"version"} == set(known)
    for name, info in known.items():
        assert fields[name]["description"] == info.doc
        kind = fields[name].get("anyOf", [fields[name]])[0]
        assert kind["type"] == {"bool": "boolean", "int": "integer", "str": "string", "list": "array"}[info.type], name
        assert tuple(kind.get("enum", ())) == info.choices, name
        most = kind.get("maximum", kind.get("maxLength", kind.get("maxItems")))
        for said, limit in ((kind.get("minimum"), info.minimum), (most, info.maximum)):
            assert said == (limit if limit is None else float(limit)), name  # FastAPI writes limits as floats


async def test_options_that_a_new_share_leaves_out_have_the_default_of_the_server(service):
    fields = service.app.openapi()["components"]["schemas"]["ShareOptionsShape"]["properties"]
    defaults = json.loads(json.dumps(asdict(ShareOptions())))
    assert {name: field["default"] for name, field in fields.items()} == defaults


def test_every_problem_that_is_raised_is_explained():
    source = "\n".join(path.read_text() for path in ROOT.rglob("*.py"))
    codes = set(re.findall(r'(?:Problem\(\s*\d+,\s*|forbidden\([^)]*, )"([a-z-]+)"', source))
    assert codes >= {"if-match-missing", "invalid-input"}
    assert codes - set(KINDS) == set()


def test_the_appliance_never_imports_the_server_or_its_secrets():
    forbidden = re.compile(r"^\s*(?:from|import) smbcore\.(?!state|control|nt)", re.MULTILINE)
    offenders = [str(path) for path in ROOT.rglob("*.py") if forbidden.search(path.read_text())]
    assert offenders == []


@pytest.mark.parametrize("template", sorted((STATIC_FOLDER.parent / "templates").rglob("*.html")), ids=lambda p: p.name)
def test_templates_have_no_inline_style_or_script(template):
    text = template.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert not re.search(r"<style|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", text)
