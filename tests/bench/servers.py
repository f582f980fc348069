"""The servers that are measured: started on loopback with a configuration of their own, stopped by pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARE = "bench"
SMBD_USER = "games"  # an ordinary account that every Debian has; nobody is the guest
PASSWORD = "bench-pass-1"  # noqa: S105 - of a server that lives for the benchmark

_SMB_CONF = """[global]
    workgroup = WORKGROUP
    netbios name = BENCH
    server role = standalone server
    interfaces = 127.0.0.1/8
    bind interfaces only = yes
    smb ports = {port}
    disable netbios = yes
    load printers = no
    printing = bsd
    printcap name = /dev/null
    disable spoolss = yes
    kernel change notify = no
    store dos attributes = yes
    map archive = no
    passdb backend = tdbsam:{base}/private/passdb.tdb
    private dir = {base}/private
    lock directory = {base}/lock
    state directory = {base}/state
    cache directory = {base}/cache
    pid directory = {base}/pid
    ncalrpc dir = {base}/ncalrpc
    winbindd socket directory = {base}/winbindd
    log file = {base}/log
    log level = 0
{extra}
[{share}]
    path = {share_path}
    read only = no
    vfs objects = acl_xattr
[durable]
    path = {share_path}/durable
    read only = no
    vfs objects = acl_xattr
    kernel oplocks = no
    kernel share modes = no
    posix locking = no
"""
_TUNED = "    aio read size = 0\n    aio write size = 0\n    use sendfile = yes\n"


class ServerError(Exception):
    """A server could not be started."""


@dataclass
class Server:
    """A running server.

    folder  where the share lies
    """

    name: str
    process: subprocess.Popen[bytes]
    port: int
    user: str
    folder: Path

    def cpu(self) -> dict[tuple[int, int], int]:
        """Return nanoseconds on a CPU by (process, thread) of the server and its descendants."""
        used = {}
        for pid in _family(self.process.pid):
            try:
                tasks = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            for tid in tasks:
                try:
                    with open(f"/proc/{pid}/task/{tid}/schedstat") as stat:
                        used[pid, int(tid)] = int(stat.read().split()[0])
                except OSError:
                    continue
        return used


def cpu_between(before: dict[tuple[int, int], int], after: dict[tuple[int, int], int]) -> float:
    """Return the microseconds that were used between two readings."""
    return sum(value - before.get(key, 0) for key, value in after.items()) / 1000


def _family(pid: int) -> list[int]:
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        found.append(parent)
        try:
            for tid in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{tid}/children") as children:
                    queue += map(int, children.read().split())
        except OSError:
            continue
    return found


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    text = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    raise ServerError(f"the server did not start\n{text}")


cpus: set[int] = set()
"""The CPUs that servers may use; empty for all."""


@contextmanager
def _running(
    name: str, command: list[str], port: int, user: str, place: Path, folder: Path, **environment: str
) -> Iterator[Server]:
    log = place / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env=os.environ | environment,
        )  # fmt: skip
    if cpus:
        os.sched_setaffinity(process.pid, cpus)  # its threads and children inherit it
    try:
        _wait(process, port, log)
        yield Server(name, process, port, user, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def smbd(place: Path, *, tuned: bool) -> Iterator[Server]:
    """Run Debian's smbd. Raises ServerError when it is not installed or this is not root."""
    program = shutil.which("smbd") or "/usr/sbin/smbd"
    if not os.access(program, os.X_OK):
        raise ServerError("no smbd: sudo apt-get install samba samba-vfs-modules")
    if os.geteuid() != 0:
        raise ServerError("smbd acts for an ordinary user only when started by root")
    for name in ("private", "lock", "state", "cache", "pid", "ncalrpc", "winbindd"):
        (place / name).mkdir(parents=True)
    folder = place / "share"
    (folder / "durable").mkdir(parents=True)
    folder.chmod(0o777)
    for parent in (place, *place.parents[:-2]):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o111)
    port, conf = free_port(), place / "smb.conf"
    conf.write_text(
        _SMB_CONF.format(port=port, base=place, share=SHARE, share_path=folder, extra=_TUNED if tuned else "")
    )
    answer = f"{PASSWORD}\n{PASSWORD}\n".encode()
    command = ["smbpasswd", "-c", str(conf), "-s", "-a", SMBD_USER]
    added = subprocess.run(command, input=answer, capture_output=True, check=False)
    if added.returncode:
        raise ServerError(f"smbpasswd: {added.stderr.decode(errors='replace')}")
    command = [program, "--foreground", "--no-process-group", "-s", str(conf)]
    with _running("smbd tuned" if tuned else "smbd", command, port, SMBD_USER, place, folder) as server:
        yield server


@contextmanager
def on_postgresql(place: Path) -> Iterator[Server]:
    """Run our core on a PostgreSQL of its own that stores durably. Raises ServerError when it is not installed."""
    sys.path.insert(0, str(ROOT))
    from tests import postgresql

    if not postgresql.is_installed():
        raise ServerError(postgresql.MISSING)
    with postgresql.running_postgresql(durable=True) as database:
        with ours(place, "holdfast on PostgreSQL", database.new_database()) as server:
            yield server


@contextmanager
def ours(place: Path, name: str = "holdfast", url: str | None = None) -> Iterator[Server]:
    """Run our core alone, with one user and the shares `bench`, `durable` and `always` (continuously available)."""
    sys.path.insert(0, str(ROOT))
    from smbcore.state.accounts import NewAccount, create_account
    from smbcore.state.configuration import ShareAccess
    from smbcore.state.engine import open_engine, writing
    from smbcore.state.initialise import initialise
    from smbcore.state.keyfile import KeyFile
    from smbcore.state.passwords import derive
    from smbcore.state.settings import change_settings
    from smbcore.state.shares import NewShare, create_share

    folder, now, port = place / "share", datetime.now(UTC), free_port()
    directory = initialise(place / "data", now=now, server_name="BENCH", database_url=url)
    for name_of_share in ("durable", "always"):
        (folder / name_of_share).mkdir(parents=True)
    engine = open_engine(url or directory.database_url)
    with writing(engine) as connection:
        change_settings(connection, {"signing_required": False}, now=now)
        create_account(connection, KeyFile.load(directory.key_file), NewAccount("bench"), derive(PASSWORD), now=now)
        for share, path in ((SHARE, folder), ("durable", folder / "durable"), ("always", folder / "always")):
            columns = NewShare(
                share, str(path), abe=False, access=(ShareAccess("everyone", "full"),),
                continuously_available=share == "always",
            )  # fmt: skip
            create_share(connection, columns, now=now)
    engine.dispose()
    command = [sys.executable, "-m", "smbcore.server", "--data", str(directory.path), "--smb", f"127.0.0.1:{port}"]
    command += ["--log-level", "WARNING"]
    environment = {"HOLDFAST_DATABASE_URL": url} if url else {}
    with _running(name, command, port, "bench", place, folder, **environment) as server:
        yield server
