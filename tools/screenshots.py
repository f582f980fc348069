"""Takes the pictures in docs/screenshots: the real product, real SMB clients, and Chromium looking at the dashboard.

    tools/screenshots.py [NAME...]     all pictures, or those of that name

Starts `holdfast serve` on free loopback ports with a new data directory, signs several people in over SMB from
different loopback addresses, lets them hold files with leases, locks and durable handles, and removes everything
afterwards. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.async_api import async_playwright

from appliance.addresses import Address, bound_socket
from appliance.installation import Installation
from appliance.synthetic import FILES, PEOPLE, fill_configuration
from smbcore.auth.initiator import Initiator
from smbcore.client.files import attach
from smbcore.client.negotiated import Offer
from smbcore.client.raw import RawClient
from smbcore.client.transport import TcpTransport
from smbcore.nt import access
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.status import NtError, Status
from smbcore.state import accounts, shares
from smbcore.state.engine import writing
from smbcore.state.passwords import derive
from smbcore.wire.create import OPLOCK_LEASE, OPLOCK_NONE, CreateContext
from smbcore.wire.create_contexts import DURABLE_FLAG_PERSISTENT, DurableReconnectV2, DurableRequestV2, LeaseV2
from smbcore.wire.lock import LockElement, LockFlags

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "screenshots"
WIDTH = 1360
PASSWORD = "correct horse battery"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run")
WRITES = access.FILE_GENERIC_READ | access.FILE_GENERIC_WRITE | access.DELETE
READY_SECONDS = 60.0
SETTLE_SECONDS = 3.0  # records of transfers follow every other second
GROUP_SHARES = {"design": ("Projects", "Media"), "accounting": ("Accounting",), "engineering": ("Projects",)}
LETTERS = {"R": 1, "H": 2, "W": 4}
CONTESTED = "Harbour bridge\\Plans\\Deck section B.dwg"
KEPT = (
    ("elif", "Projects", "Lighthouse\\Foundations.ifc"),
    ("carla", "Accounting", "2026\\Payroll.xlsx"),
    ("farid", "Backup", "images\\ws-ben-2026-11-21.vhdx"),
)
"""Files that people hold open over a restart: who, share, path."""
ABANDONED = "Lighthouse\\Notes.docx"
MIB = 1 << 20
SPACE = {"size_limit_mib": 60, "quota": "enforce", "quota_limit": 20 * MIB, "quota_threshold": 15 * MIB}
TAKEN = {"anna": 17, "ben": 6, "elif": 20, "greta": 3}
"""MiB that people store in the share with these limits."""


@dataclass
class Product:
    """A running `holdfast serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    smb: int
    url: str


def prepare(folder: Path) -> None:
    """Make a data directory with people, shares, files of some size, and an administrator."""
    installation = Installation.at(folder / "data")
    now = datetime.now(UTC)
    installation.initialise("REEF", now)
    engine, key, credentials = installation.open_database(), installation.load_key(), derive(PASSWORD)
    with writing(engine) as connection:
        fill_configuration(connection, key, folder, now, credentials)
        admin = accounts.NewAccount("admin", "Mara Lind", role="administrator")
        accounts.create_account(connection, key, admin, credentials, now=now)
        projects = shares.find_share(connection, "Projects")
        if projects is not None:
            shares.change_share(connection, projects.id, {"options": SPACE}, now=now)
    engine.dispose()
    paths = [(share, path) for share, path, *_ in FILES] + [(share, path) for _, share, path in KEPT]
    for number, (share, path) in enumerate(paths):
        target = folder / share.lower() / path.replace("\\", "/")
        if target.suffix:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(bytes(40_000 + 17_000 * number))
        else:
            target.mkdir(parents=True, exist_ok=True)


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with bound_socket(Address("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def stop(product: Product) -> None:
    """Press Ctrl-C and wait for the end."""
    product.process.send_signal(signal.SIGINT)
    product.process.wait(30)


def start(folder: Path) -> Product:
    """Start the product and wait until it is ready."""
    smb, web, log = free_port(), free_port(), folder / "serve.log"
    command = [sys.executable, "-m", "appliance.cli", "serve", "--data", str(folder / "data")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--smb", f"127.0.0.1:{smb}", "--web", f"127.0.0.1:{web}"],
            stdout=output,
            stderr=output,
            cwd=ROOT,
        )
    deadline = time.monotonic() + READY_SECONDS
    while "Stop with Ctrl-C" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise SystemExit(log.read_text())
        time.sleep(0.1)
    return Product(process, log, smb, f"http://127.0.0.1:{web}")


@dataclass
class Crowd:
    """People at work: their connections, by name and share."""

    port: int
    clients: dict[tuple[str, str], RawClient] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    tasks: list[asyncio.Task[object]] = field(default_factory=list)

    async def sign_in(self, number: int, *shares: str) -> None:
        """Connect somebody to shares, from an address of their own."""
        name, _, computer, _ = PEOPLE[number]
        transport = await self.connect(31 + number * 7)
        offer = Offer(dialects=(0x0300, 0x0302)) if name == "hiro" else None
        who = Initiator(name, PASSWORD, workstation=computer)
        first = (await attach(transport, "127.0.0.1", shares[0], who, offer)).raw
        self.clients[name, shares[0]] = first
        for share in shares[1:]:
            tree = await first.tree_connect(rf"\\127.0.0.1\{share}")
            self.clients[name, share] = first.on_tree(tree)

    async def work(self) -> None:
        """Let everybody open their files."""
        for number, (name, _, _, group) in enumerate(PEOPLE):
            await self.sign_in(number, *GROUP_SHARES.get(group, ("Scans",)), *(["Backup"] if name == "farid" else []))
        for number, (share, path, mask, caching, mode) in enumerate(FILES):
            holders = [(name, raw) for (name, of), raw in self.clients.items() if of == share]
            first = number % len(holders)
            for name, raw in (holders[first:] + holders[:first])[: 2 if mask != WRITES else 1]:
                self.holders[path] = name
                await self.hold(raw, path, mask, caching, mode)

    async def hold(self, raw: RawClient, path: str, mask: int, caching: str, mode: int) -> None:
        """Open a file and use it."""
        contexts = []
        is_directory = "." not in path.rpartition("\\")[2]
        if caching:
            state = sum(LETTERS[letter] for letter in caching)
            contexts.append(CreateContext(b"RqLs", LeaseV2(os.urandom(16), state, epoch=1).encode()))
            if "H" in caching and mask == WRITES:
                flags = DURABLE_FLAG_PERSISTENT if path.endswith(".vhdx") else 0
                contexts.append(CreateContext(b"DH2Q", DurableRequestV2(os.urandom(16), 300_000, flags).encode()))
        response = await raw.create(
            path,
            mask,
            FILE_OPEN,
            share=mode,
            options=FILE_DIRECTORY_FILE if is_directory else 0,
            oplock=OPLOCK_LEASE if caching else OPLOCK_NONE,
            contexts=contexts,
        )
        file_id = response.expect().body.file_id
        if not is_directory:
            await raw.read(file_id, 0, 32_768)
        if mask == WRITES and caching:
            await raw.write(file_id, 0, bytes(20_000))
        if path.endswith(".accdb"):
            ranges = [LockElement((1 << 62) + 16 * part, 1 + part, LockFlags.EXCLUSIVE_LOCK) for part in range(3)]
            for element in ranges:
                (await raw.lock(file_id, [element])).expect()

    async def store(self) -> None:
        """Let people take space; the one at the limit is refused what is too much."""
        for name, size in TAKEN.items():
            raw = self.clients[name, "Projects"]
            path = f"Common\\{name}.rvt"
            file_id = (await raw.create(path, WRITES, FILE_OPEN_IF, share=1)).expect().body.file_id
            for part in range(size + 1):
                written = await raw.write(file_id, part * MIB, bytes(MIB if part < size else 1))
                if written.status == Status.DISK_FULL:
                    break
            await raw.close(file_id)

    async def be_refused(self) -> None:
        """Let somebody try passwords, and ask for a handle that is another user's."""
        for _ in range(3):
            with suppress(NtError):
                await attach(await self.connect(90), "127.0.0.1", "Projects", Initiator("carla", "letmein"))
        raw = self.clients["hiro", "Scans"]
        wanted = DurableReconnectV2((0x3F1C).to_bytes(16, "little"), os.urandom(16), 0)
        await raw.create("Scan.pdf", WRITES, FILE_OPEN, contexts=[CreateContext(b"DH2C", wanted.encode())])

    async def connect(self, last: int) -> TcpTransport:
        """Connect from a loopback address of its own."""
        make = asyncio.get_running_loop().create_connection
        _, transport = await make(TcpTransport, "127.0.0.1", self.port, local_addr=(f"127.0.20.{last}", 0))
        return transport

    async def lose_connection(self) -> None:
        """Cut the connection of who holds a certain file, and let the same person sign in again."""
        name = self.holders[ABANDONED]
        self.clients[name, "Projects"].connection.close()
        await self.sign_in([person[0] for person in PEOPLE].index(name), "Projects")

    async def contest(self) -> None:
        """Let somebody wait for a lease that its holder does not give back for 35 seconds."""
        raw = self.clients["elif", "Projects"]
        self.tasks.append(asyncio.ensure_future(raw.create(CONTESTED, access.FILE_GENERIC_READ)))
        await asyncio.sleep(0.5)

    def leave(self) -> None:
        """End all connections."""
        for raw in self.clients.values():
            raw.connection.close()
        for task in self.tasks:
            task.cancel()


@dataclass(frozen=True)
class Picture:
    """What a picture shows: a page, and what is clicked there."""

    path: str
    click: str = ""
    height: int = 900


PICTURES: dict[str, Picture] = {
    "activity": Picture("/activity/opens"),
    "locks": Picture("/activity/locks"),
    "overview": Picture("/"),
    "sessions": Picture("/activity/sessions", height=720),
    "settings": Picture("/settings", height=1330),
    "shares": Picture("/shares", height=560),
    "share": Picture("/shares/Projects", height=1120),
    "audit": Picture("/audit", height=760),
    "close": Picture("/activity/opens?q=Load+model", "tr:has-text('Load model.ifc') >> text=Close", 640),
}
"""By name; first those that show a lease break, which is over after 35 seconds."""


async def take(browser: Browser, url: str, cookies: list[Any], wanted: list[str]) -> None:
    """Take pictures in both colour schemes."""
    pages: dict[str, Page] = {}
    for scheme in ("light", "dark"):
        context = await browser.new_context(base_url=url, color_scheme=scheme, reduced_motion="reduce")
        await context.add_cookies(cookies)
        pages[scheme] = await context.new_page()
    for name in wanted:
        picture = PICTURES[name]
        for scheme, page in pages.items():
            await page.set_viewport_size({"width": WIDTH, "height": picture.height})
            await page.goto(picture.path)
            if await page.locator("#live").count():
                await page.wait_for_selector("#live[data-state=live]")
            if picture.click:
                await page.locator(picture.click).first.click()
                await page.wait_for_selector("dialog[open] form")
            await page.screenshot(path=FOLDER / f"{name}{'-dark' if scheme == 'dark' else ''}.png")


@asynccontextmanager
async def signed_in(url: str) -> AsyncIterator[tuple[Browser, list[Any]]]:
    """Give a browser, and the cookies of an administrator."""
    program = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("there is no Chromium; set HOLDFAST_CHROMIUM")
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(executable_path=program, args=list(FLAGS))
        context = await browser.new_context(base_url=url)
        page = await context.new_page()
        await page.goto("/sign-in")
        await page.fill("input[name=name]", "admin")
        await page.fill("input[name=password]", PASSWORD)
        await page.click("button[type=submit], form button")
        await page.wait_for_url(f"{url}/")
        cookies: list[Any] = await context.cookies()
        await context.close()
        yield browser, cookies
        await browser.close()


async def leave_handles(product: Product) -> None:
    """Open files in a way that outlives a restart of the server."""
    crowd = Crowd(product.smb)
    try:
        for name, share, path in KEPT:
            await crowd.sign_in([person[0] for person in PEOPLE].index(name), share)
            await crowd.hold(crowd.clients[name, share], path, WRITES, "RWH", 1)
    finally:
        crowd.leave()


async def run(product: Product, wanted: list[str]) -> None:
    """Set the stage and take the pictures."""
    crowd = Crowd(product.smb)
    try:
        await crowd.work()
        await crowd.store()
        await crowd.be_refused()
        async with signed_in(product.url) as (browser, cookies):
            await crowd.lose_connection()
            await asyncio.sleep(SETTLE_SECONDS)
            await crowd.contest()
            await take(browser, product.url, cookies, wanted)
    finally:
        crowd.leave()


def main() -> int:
    """Take the pictures; return the exit status."""
    parser = argparse.ArgumentParser(description="Take the pictures in docs/screenshots.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PICTURES)}; all without")
    names = parser.parse_args().names or list(PICTURES)
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.gettempdir()) / "reef"  # its name is in the pictures
    folder.mkdir(mode=0o700)
    try:
        prepare(folder)
        product = start(folder)
        try:
            asyncio.run(leave_handles(product))
            stop(product)
            product = start(folder)
            asyncio.run(run(product, names))
        finally:
            stop(product)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
