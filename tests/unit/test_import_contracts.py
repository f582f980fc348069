"""The layers of the design, checked on every import statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BELOW_SERVER = frozenset({"nt", "wire", "crypto", "compress", "auth", "proto", "fsa", "vfs", "state", "rpc", "control"})

# package of smbcore: packages of smbcore that it may import
ALLOWED: dict[str, frozenset[str]] = {
    "nt": frozenset(),
    "wire": frozenset({"nt"}),
    "crypto": frozenset(),
    "compress": frozenset(),
    "auth": frozenset({"nt", "crypto", "wire"}),
    "proto": frozenset({"nt", "wire", "crypto", "compress"}),
    "fsa": frozenset({"nt"}),
    "vfs": frozenset({"nt", "fsa.backend"}),
    "state": frozenset({"nt", "crypto"}),
    "rpc": frozenset({"nt"}),
    "control": frozenset({"nt"}),
    "server": BELOW_SERVER,
    "client": frozenset({"nt", "wire", "crypto", "compress", "auth", "proto", "rpc"}),
}
APPLIANCE = frozenset({"state", "control", "nt"})
# outside libraries that only these packages may import
LIBRARIES: dict[str, frozenset[str]] = {
    "sqlalchemy": frozenset({"state"}),
    "alembic": frozenset({"state"}),
    "aiosqlite": frozenset({"state"}),
    "asyncpg": frozenset({"state"}),
    "spnego": frozenset({"auth"}),
    "cryptography": frozenset({"crypto", "state"}),
    "fastapi": frozenset(),
    "starlette": frozenset(),
    "jinja2": frozenset(),
    "uvicorn": frozenset(),
}
# time is passed in: only the clock and the processes' entries may look at it
CLOCKS = frozenset({"smbcore/nt/clock.py", "smbcore/server/__main__.py"})
TIME_CALLS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "asyncio.sleep",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
    }
)


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import; of `from x import y` both x and x.y."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, base] if base else parent)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    # a package's own name keeps __init__, so that relative imports count the same way
    return ".".join(parts)


def own_package(path: Path) -> str:
    """Return the smbcore package of a module, "" for smbcore itself."""
    parts = path.relative_to(ROOT / "smbcore").parts
    return parts[0] if len(parts) > 1 else ""


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def violations_of_smbcore(path: Path, source: str) -> list[str]:
    package, found = own_package(path), []
    if not package:
        return []
    allowed = ALLOWED.get(package)
    if allowed is None:
        return [f"{path}: {package} is not in the design's table"]
    for line, name in imported(ast.parse(source), module_name(path)):
        top, _, rest = name.partition(".")
        if top in ("appliance", "webui", "migrations", "tests"):
            found.append(f"{path}:{line}: {name}")
        elif top == "smbcore" and not any(is_within(rest, other) for other in allowed | {package}):
            found.append(f"{path}:{line}: {package} may not import {name}")
        elif top in LIBRARIES and package not in LIBRARIES[top] | {"server"}:
            found.append(f"{path}:{line}: {package} may not import {name}")
    return found


def violations_of_appliance(path: Path, source: str) -> list[str]:
    found = []
    for line, name in imported(ast.parse(source), module_name(path)):
        top, _, rest = name.partition(".")
        if top == "smbcore" and not any(is_within(rest, other) for other in APPLIANCE):
            found.append(f"{path}:{line}: the appliance may not import {name}")
    return found


def aliases(tree: ast.Module) -> dict[str, str]:
    """Map names in a module to the dotted names that they stand for."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def clock_uses(path: Path, source: str) -> list[str]:
    tree = ast.parse(source)
    known, found = aliases(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            head, _, tail = dotted(node).partition(".")
            full = known.get(head, "") + (f".{tail}" if tail else "")
            if full in TIME_CALLS:
                found.append(f"{path}:{node.lineno}: {full}")
    return found


def test_smbcore_imports_only_what_the_design_allows():
    found = [problem for path in modules("smbcore") for problem in violations_of_smbcore(path, path.read_text())]
    assert not found, "\n".join(found)


def test_the_appliance_meets_the_core_in_schema_and_control_only():
    found = [problem for path in modules("appliance") for problem in violations_of_appliance(path, path.read_text())]
    assert not found, "\n".join(found)


def test_time_is_passed_in():
    found = []
    for path in modules("smbcore"):
        if path.relative_to(ROOT).as_posix() not in CLOCKS:
            found += clock_uses(path, path.read_text())
    assert not found, "\n".join(found)


def test_packages_form_no_cycle():
    edges: dict[str, set[str]] = {}
    for path in modules("smbcore"):
        package = own_package(path)
        for _, name in imported(ast.parse(path.read_text()), module_name(path)):
            parts = name.split(".")
            # vfs implements the interface that fsa declares: the one import of a module across a pair
            if parts[0] == "smbcore" and len(parts) > 1 and parts[1] != package and package:
                edges.setdefault(package, set()).add(parts[1])
    done: set[str] = set()

    def visit(package: str, trail: tuple[str, ...]) -> None:
        assert package not in trail, " -> ".join((*trail, package))
        if package not in done:
            for other in sorted(edges.get(package, ())):
                visit(other, (*trail, package))
            done.add(package)

    for package in sorted(edges):
        visit(package, ())


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nt/x.py", "from smbcore.wire import header"),
        ("nt/x.py", "from smbcore import wire"),
        ("nt/x.py", "from ..wire import header"),
        ("fsa/x.py", "import sqlalchemy.orm"),
        ("vfs/x.py", "from smbcore.fsa import api"),
        ("rpc/x.py", "import appliance.app"),
        ("proto/x.py", "from fastapi import FastAPI"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str):
    assert violations_of_smbcore(ROOT / "smbcore" / module, source)


@pytest.mark.parametrize(
    "source", ["from smbcore.fsa.backend import Backend", "from smbcore.nt import sid", "import os"]
)
def test_allowed_imports_are_left_alone(source: str):
    assert not violations_of_smbcore(ROOT / "smbcore/vfs/x.py", source)


def test_a_planted_server_import_of_the_appliance_is_found():
    assert violations_of_appliance(ROOT / "appliance/x.py", "from smbcore.server import dispatch")


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from time import monotonic as m\nm()",
        "import asyncio\nawaiting = asyncio.sleep",
        "from datetime import datetime\ndatetime.now()",
    ],
)
def test_a_planted_look_at_the_clock_is_found(source: str):
    assert clock_uses(ROOT / "smbcore/fsa/x.py", source)
