"""A server with a share for every purpose that protocol test suites ask for, in the foreground.

    SMB_PORT=4455 WEB_PORT=8085 python tests/testbed.py

Users testuser/testpass and testuser2/testpass2, administrator admin/adminpass. Everything is kept in a temporary
directory that is removed at the end (SIGINT or SIGTERM). Prints "ready" when it serves. SIGNING_PORT names a port
for a second core whose sessions must sign, and which tells of a break once only, as Windows does; WEB_PORT=0 leaves the
web service out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from appliance.errors import OperationProblem  # noqa: E402 - the tree is on the path only now
from appliance.supervisor import ChildSpec, Supervisor  # noqa: E402
from smbcore.control.client import ControlClient  # noqa: E402
from smbcore.control.errors import CommandFailed, ControlUnavailable  # noqa: E402
from smbcore.control.messages import Ping, Pong  # noqa: E402
from smbcore.nt.sddl import from_sddl  # noqa: E402
from smbcore.state.accounts import NewAccount, create_account  # noqa: E402
from smbcore.state.configuration import ShareAccess, ShareOptions  # noqa: E402
from smbcore.state.engine import open_engine, writing  # noqa: E402
from smbcore.state.initialise import DataDirectory, initialise  # noqa: E402
from smbcore.state.keyfile import KeyFile  # noqa: E402
from smbcore.state.passwords import derive  # noqa: E402
from smbcore.state.settings import change_settings  # noqa: E402
from smbcore.state.shares import NewShare, create_share  # noqa: E402
from smbcore.vfs.posix.backend import PosixBackend  # noqa: E402
from tests.loopback import LoopbackError, mounted  # noqa: E402

USERS = (("testuser", "testpass", "user"), ("testuser2", "testpass2", "user"), ("admin", "adminpass", "administrator"))
EVERYONE = (ShareAccess("everyone", "full"),)


@dataclass(frozen=True)
class Role:
    """One share: what differs from an ordinary one.

    columns  fields of NewShare; options  fields of ShareOptions; fill  makes the folder's first content
    file_system  the folder is one of its own, of this kind, where we may mount one
    """

    name: str
    columns: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    fill: Callable[[Path], None] | None = None
    file_system: str = ""


def snapshot_folder(folder: Path) -> None:
    """Lay out what the snapshot suite looks for: a file, and a snapshot with the same file in it."""
    snapshot = folder / ".snapshots" / "@GMT-2015.10.31-19.40.30"
    for place in (folder, snapshot):
        (place / "subdir").mkdir(parents=True, exist_ok=True)
        (place / "foo").write_text("content\n")
    original = folder / "subdir" / "hardlink"
    original.touch()
    os.link(original, snapshot / "subdir" / "hardlink")
    asyncio.run(write_stream(snapshot, "foo", "bar", b"baz"))


def forbid(folder: Path) -> None:
    """Let nobody into the folder, whatever the share admits."""
    backend = PosixBackend(folder)
    try:
        root = asyncio.run(backend.open(()))
        root.set_security(from_sddl("O:SYG:SYD:P(A;;FA;;;SY)").encode())
        root.close()
    finally:
        backend.close()


async def write_stream(folder: Path, name: str, stream: str, content: bytes) -> None:
    """Give a file a named stream, as a client would."""
    backend = PosixBackend(folder)
    try:
        node = await backend.open((name,))
        data, _ = node.open_stream(stream, create=True)
        await data.write(0, content)
        data.close()
        node.close()
    finally:
        backend.close()


AS_SMBD = {"delayed_write_time": True, "keep_creation_time": False}

ROLES = (
    Role("share"),
    Role("share-encrypted", {"encrypt": True}),
    Role("C$"),
    Role("tmp", options=AS_SMBD),
    Role("tmp2", options=AS_SMBD),
    Role("tmpenc", {"encrypt": True}),
    Role("tmpguest", {"guest_ok": True}),
    Role("durable"),
    Role("ca", {"continuously_available": True}),
    Role("aio"),
    Role("fs_specific", file_system="btrfs"),
    Role("compound_find"),
    Role("ea_acl_xattr", options={"hidden_eas": ("hackme",)}),
    Role("streams_xattr"),
    Role("vfs_fruit_xattr"),
    Role("no_streams", options={"streams": False}),
    Role("no_notify", options={"change_notify": False}),
    Role("inotify", options={"inotify": True, "rename_beside_delete": True}),
    Role("dosmode", options={"hide_dot_files": True, "hide_files": ("hidefile",)}),
    Role("async_dosmode_shadow_copy2"),
    Role("acls_non_canonical", options={"canonical_inheritance": False}),
    Role("delete_readonly", options={"delete_readonly": True}),
    Role("kernel_oplocks", options={"kernel_oplocks": True}),
    Role("posixlock", options={"posix_locks": True}),
    Role("admin", {"access": (ShareAccess("everyone", "full"), ShareAccess("user:testuser", "full"))}),
    Role("ignore_system_acls"),
    Role("inherit_perms"),
    Role("shadow_write", fill=snapshot_folder),
    Role("hideunread", {"abe": True}),
    Role("noperm", fill=forbid),
    Role("dynamic_share", options={"personal_folders": True}),
    Role("limited", options={"size_limit_mib": 4}),
    Role("quotas", options={"quota": "enforce", "quota_limit": 2 << 20, "quota_threshold": 1 << 20}),
)


def make(data: Path, folders: Path, mounts: ExitStack, **settings: Any) -> DataDirectory:
    """Initialise a data directory with the users and every share; file systems stay mounted until `mounts` ends."""
    now = datetime.now(UTC)
    directory = initialise(data, now=now, server_name="TESTBED")
    key = KeyFile.load(directory.key_file)
    credentials = [(NewAccount(name, role=role), derive(password)) for name, password, role in USERS]
    engine = open_engine(directory.database_url)
    try:
        with writing(engine) as connection:
            change_settings(connection, {"min_dialect": "2.0.2", "allow_anonymous": True} | settings, now=now)
            for account, secret in credentials:
                create_account(connection, key, account, secret, now=now)
            for role in ROLES:
                make_share(connection, role, folders, mounts, now)
    finally:
        engine.dispose()
    return directory


def make_share(connection: Any, role: Role, folders: Path, mounts: ExitStack, now: datetime) -> None:
    """Make one share and its folder."""
    folder = folders / role.name.replace("$", "_")
    folder.mkdir(parents=True)
    if role.file_system:
        try:
            mounts.enter_context(mounted(role.file_system, folder))
        except LoopbackError as error:
            print(f"share {role.name} is no {role.file_system}: {error}", file=sys.stderr)
    if role.fill is not None:
        role.fill(folder)
    columns: dict[str, Any] = {"abe": False, "access": EVERYONE} | role.columns
    new = NewShare(role.name, str(folder), options=ShareOptions(**role.options), **columns)
    create_share(connection, new, now=now)


def core(name: str, directory: DataDirectory, port: int) -> ChildSpec:
    """Describe a core that answers the test suites' control codes."""

    async def is_ready() -> bool:
        try:
            async with ControlClient(directory.control_socket, timeout=2.0) as client:
                return isinstance(await client.request(Ping()), Pong)
        except (ControlUnavailable, CommandFailed):
            return False

    command = [sys.executable, "-m", "smbcore.server", "--data", str(directory.path), "--smb", f"127.0.0.1:{port}"]
    return ChildSpec(name, [*command, "--test-controls"], is_ready, environment=environment())


def web(directory: DataDirectory, port: int) -> ChildSpec:
    """Describe the web service."""

    async def is_ready() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    command = [sys.executable, "-m", "appliance.web", "--data", str(directory.path), "--web", f"127.0.0.1:{port}"]
    return ChildSpec("web service", command, is_ready, environment=environment())


def environment() -> dict[str, str]:
    """Return our environment with the tree on the path."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return dict(os.environ) | {"PYTHONPATH": path}


def main() -> int:
    """Serve until told to stop."""
    smb_port, web_port = int(os.environ.get("SMB_PORT", "4455")), int(os.environ.get("WEB_PORT", "8085"))
    signing_port = int(os.environ.get("SIGNING_PORT", "0"))
    with tempfile.TemporaryDirectory(prefix="holdfast-") as place, ExitStack() as mounts:
        base = Path(place)
        directory = make(base / "data", base / "shares", mounts, signing_required=False)
        specs = [core("SMB server", directory, smb_port)]
        if signing_port:
            signing = make(base / "signing", base / "signing-shares", mounts, signing_required=True, break_retry_ms=0)
            specs.append(core("signing SMB server", signing, signing_port))
        if web_port:
            specs.append(web(directory, web_port))

        def announce() -> None:
            print(f"SMB 127.0.0.1:{smb_port}, web {web_port or 'off'}, shares below {base / 'shares'}")
            print("ready", flush=True)

        try:
            asyncio.run(Supervisor(specs, announce).run())
        except OperationProblem as problem:
            print(problem, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
