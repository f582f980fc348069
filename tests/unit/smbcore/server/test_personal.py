"""Personal folders: names that are safe and different, and the security of a new one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.access_check import access_check
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.sid import EVERYONE, GUESTS, Sid
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token
from smbcore.server.personal import folder_name, folder_of
from smbcore.vfs.posix.names import encode, is_reserved

ALICE = Sid.parse("S-1-5-21-1-2-3-1000")
BOB = Sid.parse("S-1-5-21-1-2-3-1001")


def token(sid: Sid, name: str, **more: bool) -> Token:
    return Token(sid, frozenset({EVERYONE}), name=name, **more)


@pytest.mark.parametrize(
    ("account", "folder"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("Jörg Müller", "jörg müller"),
        ("a.b", "a.b"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".profile", "%2Eprofile"),
        ("end.", "end%2E"),
        ("a/../../etc", "a%2F..%2F..%2Fetc"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        ("%2E", "%252e"),
        ("line\nbreak\0", "line%0Abreak%00"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_names_are_the_accounts_with_what_is_odd_spelled_out(account: str, folder: str) -> None:
    assert folder_name(account) == folder


@given(st.text(min_size=1))
def test_no_name_leads_anywhere_else(account: str) -> None:
    name = folder_name(account)
    raw = encode(name)
    assert raw not in (b"", b".", b"..")
    assert not raw.startswith(b".")
    assert b"/" not in raw
    assert b"\0" not in raw
    assert len(raw) <= 255
    assert not is_reserved(name)


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_accounts_have_different_folders(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one.casefold() == other.casefold())


def test_long_names_stay_apart() -> None:
    names = {folder_name("x" * 300), folder_name("x" * 299 + "y"), folder_name("x" * 200)}
    assert len(names) == 3
    assert all(len(encode(name)) <= 255 for name in names)


@pytest.mark.parametrize("nobody", [{"guest": True}, {"anonymous": True}])
def test_nobody_in_particular_has_no_folder(nobody: dict[str, bool]) -> None:
    with pytest.raises(NtError) as caught:
        folder_of(token(GUESTS, "guest", **nobody))
    assert caught.value.status is Status.ACCESS_DENIED


def test_a_new_folder_is_its_owners_alone() -> None:
    descriptor = SecurityDescriptor.decode(folder_of(token(ALICE, "alice")).security())
    assert descriptor.owner == ALICE
    assert not access_check(descriptor, token(ALICE, "alice"), FILE_ALL_ACCESS).missing
    assert access_check(descriptor, token(BOB, "bob"), 1).missing == 1


class TestOnDisk:
    """The folder is made, found again, and never a link to elsewhere."""

    def test_it_is_made_once(self, tmp_path: Path) -> None:
        from smbcore.vfs.posix.backend import open_inner_folder

        for _ in range(2):
            os.close(open_inner_folder(str(tmp_path), "alice"))
        assert (tmp_path / "alice").is_dir()

    @pytest.mark.parametrize("target", ["elsewhere", "missing"])
    def test_a_link_is_refused(self, tmp_path: Path, target: str) -> None:
        from smbcore.vfs.posix.backend import open_inner_folder

        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "alice").symlink_to(tmp_path / target)
        with pytest.raises(OSError):
            open_inner_folder(str(tmp_path), "alice")
        assert not (tmp_path / "missing").exists()

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        from smbcore.vfs.posix.backend import open_inner_folder

        (tmp_path / "alice").write_bytes(b"")
        with pytest.raises(NotADirectoryError):
            open_inner_folder(str(tmp_path), "alice")

    def test_security_is_given_once(self, tmp_path: Path) -> None:
        from smbcore.vfs.posix.backend import PosixBackend

        first = folder_of(token(ALICE, "alice")).security()
        for descriptor in (first, folder_of(token(BOB, "bob")).security()):
            backend = PosixBackend(tmp_path)
            backend.secure_root(descriptor)
            assert backend_security(backend) == first
            backend.close()


def backend_security(backend: object) -> bytes | None:
    import asyncio

    root = asyncio.run(backend.open(()))  # type: ignore[attr-defined]
    try:
        return root.security()  # type: ignore[no-any-return]
    finally:
        root.close()
