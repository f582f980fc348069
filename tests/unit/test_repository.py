"""Rules for the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 600
LOCKS = ("requirements.lock", "requirements-dev.lock")

# packages that are tested by behaviour, not module by module: where, and why there
TESTED_BY_BEHAVIOUR: dict[str, tuple[str, str]] = {
    "appliance/": ("tests/appliance", "through its API, pages and command line"),
    "smbcore/client/": ("tests/protocol", "every protocol test is written on it"),
    "smbcore/fsa/": ("tests/unit/smbcore/fsa", "by operation of MS-FSA, over the volume in memory"),
    "smbcore/server/": ("tests/protocol", "command by command, over connections"),
    "smbcore/vfs/": ("tests/unit/smbcore/vfs", "the same behaviour of every kind of volume"),
}
# single modules without a test file of their own, and why
TESTED_ELSEWHERE: dict[str, str] = {
    "smbcore/state/rows.py": "optimistic locking is tested with every table that uses it",
    "smbcore/state/secrets.py": "tested with the tokens, set-up codes and web sessions that it makes",
}
# generated or vendored, not written here
LONG_FILES: dict[str, str] = {}


def tracked(*patterns: str) -> list[Path]:
    """Return files under version control, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    try:
        output = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git working copy")
    paths = [ROOT / name for name in sorted(set(output.decode().split("\0"))) if name]
    return [path for path in paths if path.is_file()]


def source_modules() -> list[Path]:
    return [path for path in tracked("smbcore", "appliance") if path.suffix == ".py"]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_pin_hashes_and_name_no_index(name: str):
    text = (ROOT / name).read_text()
    for number, line in enumerate(text.splitlines(), 1):
        assert re.fullmatch(r"[a-z0-9][a-z0-9._\[\],-]*==\S+( ; .*)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), (
            f"{name}:{number}: {line}"
        )
    assert "--hash=" in text


def test_configuration_names_no_package_index():
    for path in tracked("pyproject.toml", "*.cfg", "*.toml", "*.lock", "*.txt", "Makefile", "tools", ".ci"):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not re.search(
                r"(?<!no-emit-)index[-_]url|find[-_]links|trusted[-_]host|--index\b|registry\s*=", line
            ), f"{path}:{number}: {line}"


def has_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
    )


def undocumented(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = []
    if not has_docstring(tree) and path.read_text().strip():
        found.append(f"{path.relative_to(ROOT)}: the module")
    for node in tree.body:
        if (
            isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
            and not has_docstring(node)
        ):
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    return found


def test_every_public_module_class_and_function_of_the_core_is_documented():
    found = [
        problem for path in source_modules() if path.is_relative_to(ROOT / "smbcore") for problem in undocumented(path)
    ]
    assert not found, "\n".join(found)


def test_files_stay_short():
    found = []
    for path in tracked("*.py", "*.html", "*.css"):
        name = path.relative_to(ROOT).as_posix()
        lines = path.read_text().count("\n")
        if lines > MAX_LINES and name not in LONG_FILES and "/vendor/" not in name:
            found.append(f"{name}: {lines} lines")
    assert not found, "\n".join(found)


def has_content(path: Path) -> bool:
    """Say whether a module defines anything; a package's docstring and imports need no test."""
    body = ast.parse(path.read_text()).body
    return any(not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in body)


def mirrored(path: Path) -> list[Path]:
    """Return where the tests of a module may be."""
    relative = path.relative_to(ROOT)
    name = f"test_{path.stem}.py"
    places = [ROOT / "tests" / "unit" / relative.parent / name]
    if relative.parts[0] == "appliance":
        places.append(ROOT / "tests" / "appliance" / Path(*relative.parts[1:]).parent / name)
    if path.stem == "__init__":
        places = [place.parent / f"test_{place.parent.name}.py" for place in places]
    return places


def is_named_by_a_test(path: Path, texts: list[str]) -> bool:
    """Say whether some test imports the module: tests by topic cover several modules at once."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    parent, _, last = module.rpartition(".")
    return any(
        f"{module} import" in text
        or f"import {module}" in text
        or re.search(rf"from {re.escape(parent)} import [^\n]*\b{last}\b", text)
        for text in texts
    )


def test_every_module_has_its_tests():
    texts = [path.read_text() for path in tracked("tests") if path.suffix == ".py"]
    found = []
    for path in source_modules():
        name = path.relative_to(ROOT).as_posix()
        if name in TESTED_ELSEWHERE or name.startswith(tuple(TESTED_BY_BEHAVIOUR)) or not has_content(path):
            continue
        if not any(place.exists() for place in mirrored(path)) and not is_named_by_a_test(path, texts):
            found.append(name)
    assert not found, "no test file, and no test imports it:\n" + "\n".join(found)


@pytest.mark.parametrize("package", TESTED_BY_BEHAVIOUR)
def test_packages_tested_by_behaviour_have_such_tests(package: str):
    place, _ = TESTED_BY_BEHAVIOUR[package]
    assert any((ROOT / place).rglob("test_*.py")), f"no tests of {package} in {place}"


def test_exceptions_from_the_rules_still_exist():
    for name in (*TESTED_ELSEWHERE, *TESTED_BY_BEHAVIOUR, *LONG_FILES):
        assert (ROOT / name).exists(), f"{name} is listed, but is not there"


def test_nothing_is_left_to_do_in_the_code():
    for path in tracked("*.py"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", line), f"{path}:{number}: {line}"
