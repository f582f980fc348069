"""Debian's smbclient against the running server: every dialect, signing algorithm and cipher, and what people do with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess

pytestmark = pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed")

DIALECTS = ("SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11")


def smbclient(
    server: ServerProcess, commands: str, *options: str, share: str = "files", cwd: Path | None = None, ok: bool = True
) -> str:
    """Run smbclient and return its output; `ok` asserts how it ended."""
    target = [f"//127.0.0.1/{share}", "-c", commands] if share else ["-L", "//127.0.0.1"]
    result = subprocess.run(
        ["smbclient", "-s", "/dev/null", "-p", str(server.port), "-U", f"{USER}%{PASSWORD}", *options, *target],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    output = result.stdout + result.stderr
    assert (result.returncode == 0 and "NT_STATUS" not in output) is ok, output
    return output


def roundtrip(server: ServerProcess, tmp_path: Path, *options: str, share: str = "files", size: int = 300_000) -> None:
    """Put a file, get it back, compare, and remove it."""
    data = os.urandom(size)
    (tmp_path / "up").write_bytes(data)
    smbclient(server, "put up there; get there down; rm there", *options, share=share, cwd=tmp_path)
    assert (tmp_path / "down").read_bytes() == data


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_transfers_a_file(server: ServerProcess, tmp_path: Path, dialect: str) -> None:
    roundtrip(server, tmp_path, f"--option=client min protocol={dialect}", f"--option=client max protocol={dialect}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_signs(server: ServerProcess, tmp_path: Path, dialect: str) -> None:
    limits = (f"--option=client min protocol={dialect}", f"--option=client max protocol={dialect}")
    roundtrip(server, tmp_path, *limits, "--client-protection=sign")


@pytest.mark.parametrize("algorithm", ["AES-128-GMAC", "AES-128-CMAC", "HMAC-SHA256"])
def test_every_signing_algorithm(server: ServerProcess, tmp_path: Path, algorithm: str) -> None:
    roundtrip(server, tmp_path, f"--option=client smb3 signing algorithms={algorithm}", "--client-protection=sign")


@pytest.mark.parametrize("cipher", ["AES-128-GCM", "AES-128-CCM", "AES-256-GCM", "AES-256-CCM"])
def test_every_cipher(server: ServerProcess, tmp_path: Path, cipher: str) -> None:
    options = (f"--option=client smb3 encryption algorithms={cipher}", "--client-protection=encrypt")
    roundtrip(server, tmp_path, *options)


@pytest.mark.parametrize("dialect", ["SMB3_00", "SMB3_02"])
def test_older_dialects_encrypt(server: ServerProcess, tmp_path: Path, dialect: str) -> None:
    roundtrip(
        server, tmp_path, f"--option=client max protocol={dialect}", "--client-protection=encrypt", share="sealed"
    )


def test_share_that_demands_encryption_is_encrypted_without_being_asked(server: ServerProcess, tmp_path: Path) -> None:
    roundtrip(server, tmp_path, share="sealed")


def test_client_that_cannot_encrypt_is_refused_by_such_a_share(server: ServerProcess) -> None:
    output = smbclient(server, "ls", "--option=client max protocol=SMB2_10", share="sealed", ok=False)
    assert "NT_STATUS_ACCESS_DENIED" in output


def test_listing_of_shares(server: ServerProcess) -> None:
    output = smbclient(server, "", share="")
    assert "files" in output
    assert "IPC$" in output


def test_wrong_password_is_refused(server: ServerProcess) -> None:
    output = smbclient(server, "ls", "-U", f"{USER}%wrong", ok=False)
    assert "NT_STATUS_LOGON_FAILURE" in output


def test_unknown_share_is_refused(server: ServerProcess) -> None:
    assert "NT_STATUS_BAD_NETWORK_NAME" in smbclient(server, "ls", share="nowhere", ok=False)


def test_daily_work_in_one_session(server: ServerProcess, files: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear reader\n")
    output = smbclient(
        server,
        "mkdir docs; cd docs; put letter.txt; rename letter.txt note.txt; allinfo note.txt; ls; du; cd ..; ls docs/*",
        cwd=tmp_path,
    )
    assert "note.txt" in output
    assert (files / "docs" / "note.txt").read_text() == "Dear reader\n"
    smbclient(server, "rm docs/note.txt; rmdir docs")
    assert not (files / "docs").exists()


def test_tree_goes_up_and_comes_back(server: ServerProcess, files: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(12):
        folder = tree / f"folder {number % 3}" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number} äöü.bin").write_bytes(os.urandom(number * 1000))
    smbclient(server, "prompt; recurse; mput tree", cwd=tmp_path)
    back = tmp_path / "back"
    back.mkdir()
    smbclient(server, "prompt; recurse; mget tree", cwd=back)
    expected = {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    found = {
        path.relative_to(back / "tree"): path.read_bytes() for path in (back / "tree").rglob("*") if path.is_file()
    }
    assert found == expected
    smbclient(server, "deltree tree")
    assert not (files / "tree").exists()


def test_case_of_names_does_not_matter(server: ServerProcess, files: Path, tmp_path: Path) -> None:
    (files / "MixedCase.txt").write_text("here")
    smbclient(server, "get mixedcase.TXT got", cwd=tmp_path)
    assert (tmp_path / "got").read_text() == "here"


def test_names_cannot_leave_the_share(server: ServerProcess, files: Path, tmp_path: Path) -> None:
    secret = server.base / "secret.txt"
    secret.write_text("secret")
    (files / "link").symlink_to(secret)
    (files / "dirlink").symlink_to(server.base)
    for name in ("link", "dirlink\\secret.txt", "..\\..\\secret.txt", "dirlink/../../secret.txt"):
        smbclient(server, f'get "{name}" stolen', cwd=tmp_path, ok=False)
        assert not (tmp_path / "stolen").exists() or b"secret" not in (tmp_path / "stolen").read_bytes()
    (files / "link").unlink()
    (files / "dirlink").unlink()


def test_names_that_local_programs_wrote_badly_keep_nobody_out(
    server: ServerProcess, files: Path, tmp_path: Path
) -> None:
    """A byte that is not UTF-8, a character that NT forbids, a lone surrogate's bytes on the wire end no listing."""
    folder = files / "odd"
    folder.mkdir()
    for raw in (b"latin-\xe9", b"\xff\xfe", b"a:b", b"tail. ", "\uf0e9".encode(), b"good"):
        Path(os.fsdecode(bytes(folder) + b"/" + raw)).write_bytes(b"data")
    listed = smbclient(server, "cd odd; ls")
    assert sum(" 4  " in line for line in listed.splitlines()) == 6
    smbclient(server, "cd odd; get good; del latin*; ls", cwd=tmp_path)
    assert not (folder / os.fsdecode(b"latin-\xe9")).exists()
    smbclient(server, "deltree odd")
    assert not folder.exists()
