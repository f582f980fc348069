"""Vendored browser libraries: verify them, or fetch a pinned version again.

`webui/static/vendor/vendor.lock` names each package, its version, the integrity
of the published archive and the SHA-256 of every file that we serve from it.

    tools/vendor.py --check           compare the tree with the lock (no network)
    tools/vendor.py --update NAME@V   `npm pack` that version, check, copy, relock
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parent.parent / "webui" / "static" / "vendor"
LOCK = VENDOR / "vendor.lock"


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_lock() -> list[dict[str, Any]]:
    """Return the locked packages."""
    packages: list[dict[str, Any]] = json.loads(LOCK.read_text())["packages"]
    return packages


def check() -> list[str]:
    """Return one line per difference between the tree and the lock."""
    problems: list[str] = []
    known = {LOCK}
    for package in load_lock():
        folder = VENDOR / f"{package['name']}@{package['version']}"
        if "LICENSE" not in package["files"]:
            problems.append(f"{folder.name}: no LICENSE")
        for name, digest in package["files"].items():
            path = folder / name
            known.add(path)
            if not path.is_file():
                problems.append(f"{folder.name}/{name}: missing")
            elif sha256(path) != digest:
                problems.append(f"{folder.name}/{name}: differs from the lock")
    strangers = {path for path in VENDOR.rglob("*") if path.is_file()} - known
    problems += [f"{path.relative_to(VENDOR)}: not in the lock" for path in sorted(strangers)]
    return problems


def update(wanted: str) -> None:
    """Fetch NAME@VERSION with `npm pack` and lock the files the old version had."""
    name, _, version = wanted.rpartition("@")
    packages = load_lock()
    entry = next(package for package in packages if package["name"] == name)
    archive_name = f"{entry.get('npm', name)}@{version}"
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            ["npm", "pack", "--silent", archive_name],
            cwd=scratch,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        archive = next(Path(scratch).glob("*.tgz"))
        digest = hashlib.sha512(archive.read_bytes()).digest()
        entry["integrity"] = "sha512-" + base64.b64encode(digest).decode()
        target = VENDOR / wanted
        target.mkdir(exist_ok=True)
        with tarfile.open(archive) as tar:
            for source, file in entry["sources"].items():
                member = tar.extractfile(f"package/{source}")
                if member is None:
                    sys.exit(f"{wanted} has no {source}")
                (target / file).write_bytes(member.read())
                entry["files"][file] = sha256(target / file)
    entry["version"] = version
    LOCK.write_text(json.dumps({"packages": packages}, indent=2) + "\n")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare the tree with the lock")
    parser.add_argument("--update", metavar="NAME@VERSION", help="fetch and lock a version")
    options = parser.parse_args()
    if options.update:
        update(options.update)
    problems = check()
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
