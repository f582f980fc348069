"""The whole product as its user meets it: `holdfast serve --demo`, a browser, and Debian's smbclient."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed"),
]
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run")
READY_SECONDS = 40.0
PASSWORD = "correct horse battery"


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Product:
    """A running `holdfast serve --demo`."""

    data: Path
    smb: int
    web: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where the browser goes."""
        return f"http://127.0.0.1:{self.web}"

    def setup_link(self) -> str:
        """Return the link that was printed."""
        found = re.search(r"http://\S+/setup\?code=\S+", self.log.read_text())
        assert found is not None, self.log.read_text()
        return found.group(0)


def start(data: Path, log: Path, smb: int, web: int) -> Product:
    """Start the product and wait until it says that it is ready."""
    command = [sys.executable, "-m", "appliance.cli", "serve", "--demo", "--data", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--smb", f"127.0.0.1:{smb}", "--web", f"127.0.0.1:{web}"], stdout=output, stderr=output
        )
    deadline = time.monotonic() + READY_SECONDS
    while "Stop with Ctrl-C" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return Product(data, smb, web, log, process)


def stop(product: Product) -> int:
    """Press Ctrl-C and return the exit status."""
    product.process.send_signal(signal.SIGINT)
    return product.process.wait(30)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    running = start(tmp_path / "data", tmp_path / "serve.log", free_port(), free_port())
    try:
        yield running
    finally:
        if running.process.poll() is None:
            stop(running)


class HeldFile:
    """smbclient with a file open, as long as the object lives."""

    def __init__(self, product: Product, share: str, user: str) -> None:
        self._process = subprocess.Popen(
            [
                "smbclient",
                "-s",
                "/dev/null",
                "-p",
                str(product.smb),
                "-U",
                f"{user}%{PASSWORD}",
                f"//127.0.0.1/{share}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def do(self, command: str) -> None:
        """Give smbclient a command; one at a time, as it looks at its input only when more of it arrives."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """Let smbclient finish and return what it said."""
        output, _ = self._process.communicate(b"quit\n", timeout=30)
        return output.decode(errors="replace")


def test_set_up_share_watch_and_close(product: Product, tmp_path: Path) -> None:
    """1 set up, 2 create a share, 3 hold a file with smbclient, 4 see it live, 5 close it, 6 smbclient notices."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(product.setup_link())
        for name, value in {
            "administrator": "admin",
            "administrator_password": PASSWORD,
            "administrator_password_again": PASSWORD,
            "user": "anna",
            "user_password": PASSWORD,
            "user_password_again": PASSWORD,
            "share_name": "papers",
            "share_path": str(tmp_path / "papers"),
        }.items():
            page.fill(f"input[name={name}]", value)
        page.check("input[name=create_folder]")
        page.click("text=Finish set-up")
        page.wait_for_url(f"{product.url}/")
        page.goto(f"{product.url}/activity/opens")
        page.wait_for_selector("text=Nothing is open")
        (tmp_path / "papers" / "letter.txt").write_text("Dear reader\n")
        client = HeldFile(product, "papers", "anna")
        client.do("open letter.txt")
        page.wait_for_selector("text=letter.txt", timeout=15_000)
        page.locator("tr", has_text="letter.txt").get_by_role("link", name="Close").click()
        page.locator("dialog[open]").get_by_role("button", name=re.compile("^Close")).first.click()
        page.wait_for_selector("text=Nothing is open", timeout=15_000)
        client.do("close 1")
        assert "NT_STATUS_FILE_CLOSED" in client.end()
        browser.close()
    assert not complaints
    assert (tmp_path / "papers" / "letter.txt").read_text() == "Dear reader\n"


def test_second_start_keeps_everything_and_ctrl_c_is_clean(product: Product, tmp_path: Path) -> None:
    code = product.setup_link().rpartition("=")[2]
    assert code
    (product.data / "demo" / "kept.txt").write_text("kept")
    assert stop(product) == 0
    assert "Traceback" not in product.log.read_text()
    again = start(product.data, tmp_path / "again.log", product.smb, product.web)
    try:
        assert (product.data / "demo" / "kept.txt").read_text() == "kept"
        assert again.setup_link() != product.setup_link()
    finally:
        assert stop(again) == 0
    assert "Traceback" not in again.log.read_text()
