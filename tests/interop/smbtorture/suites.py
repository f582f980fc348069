"""Which tests of smbtorture run, on which share of the testbed, with which options.

A test runs on the main share unless its suite or the test itself asks for another one. A suite may run several
times ("variants"): the variant's name stands in brackets behind the test's.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace

USERS = {"testuser": "testpass", "admin": "adminpass"}
MAIN = ""
SIGNING = "signing"


@dataclass(frozen=True)
class Variant:
    """One way to run a suite.

    name     "" for the plain one
    share    MAIN, or a share of the testbed
    options  more arguments for smbtorture
    server   MAIN, or SIGNING for the server whose sessions must sign, and which tells of breaks as Windows does
    user     account of the testbed
    local    the test opens files in the share's folder too
    """

    name: str = ""
    share: str = MAIN
    options: tuple[str, ...] = ()
    server: str = MAIN
    user: str = "testuser"
    local: bool = False


@dataclass(frozen=True)
class Test:
    """One test to run: as listed, as handed to smbtorture, and where."""

    leaf: str
    run: str
    variant: Variant

    @property
    def name(self) -> str:
        """The name in results: the leaf, and the variant in brackets."""
        return f"{self.run}[{self.variant.name}]" if self.variant.name else self.run


_SNAPSHOT = tuple(
    f"--option=torture:twrp_{key}={value}"
    for key, value in (
        ("file", "foo"),
        ("snapshot", "@GMT-2015.10.31-19.40.30"),
        ("stream", "bar"),
        ("stream_size", "3"),
    )
)

# suite (or single test): how it runs; the longest name that fits counts
PLACES: dict[str, tuple[Variant, ...]] = {
    # its own name for the suite is "admin access"
    "rpc.samba3.srvsvc": (Variant(user="admin"),),
    "rpc.srvsvc": (Variant(user="admin"),),
    "rpc.wkssvc": (Variant(user="admin"),),
    "smb2.acls_non_canonical": (Variant(share="acls_non_canonical"),),
    "smb2.async_dosmode": (Variant(share="async_dosmode_shadow_copy2"),),
    "smb2.change_notify_disabled": (Variant(share="no_notify"),),
    "smb2.compound": (Variant(), Variant("aio", "aio")),
    "smb2.compound_find": (Variant(), Variant("slow_find", "compound_find")),
    "smb2.create.quota-fake-file": (Variant(share="admin"),),
    "smb2.create_no_streams": (Variant(share="no_streams"),),
    "smb2.delete-on-close-perms": (
        Variant(share="tmp"),  # one share: READONLY fails after what the tests of existing files leave, on smbd as well
        Variant("delete_readonly", "delete_readonly", ("--option=torture:delete_readonly=true",)),
    ),
    "smb2.dosmode": (Variant(share="dosmode"),),
    "smb2.durable-open": (Variant(share="durable"),),
    "smb2.durable-v2-delay": (Variant(share="durable"),),
    "smb2.durable-v2-open": (Variant(share="durable"),),
    "smb2.durable-v2-open.persistent-open-lease": (Variant(share="durable"), Variant("ca", "ca")),
    "smb2.durable-v2-open.persistent-open-oplock": (Variant(share="durable"), Variant("ca", "ca")),
    "smb2.durable-v2-regressions": (Variant(share="durable"),),
    "smb2.ea": (Variant(share="ea_acl_xattr", options=("--option=torture:acl_xattr_name=hackme",)),),
    "smb2.fileid": (Variant(), Variant("fruit", "vfs_fruit_xattr")),
    "smb2.getinfo.fsinfo": (Variant(share="admin"),),
    "smb2.ioctl": (Variant(), Variant("fs_specific", "fs_specific")),
    "smb2.kernel-oplocks": (Variant(share="kernel_oplocks", local=True),),
    "smb2.lease.dynamic_share": (Variant(options=("--target=samba3",)),),  # for any other target it skips
    "smb2.lock": (Variant(), Variant("aio", "aio")),
    # where a notification that is not taken goes: to another channel as well, or nowhere else as with Windows
    "smb2.multichannel.oplocks.test2": (Variant(), Variant("windows", "tmp", server=SIGNING)),
    "smb2.multichannel.oplocks.test3_windows": (Variant(share="tmp", server=SIGNING),),
    "smb2.notify-inotify": (Variant(share="inotify"),),
    "smb2.replay": (Variant(share="durable"),),
    "smb2.replay.replay5": (Variant(share="ca"),),  # on any other share it skips
    "smb2.samba3misc": (Variant(share="posixlock", local=True),),
    "smb2.session": (Variant(), Variant("enc", "tmpenc")),
    "smb2.session-require-signing": (Variant(share="tmp", server=SIGNING),),
    "smb2.session.reauth4": (Variant(share="ignore_system_acls"),),
    "smb2.stream-inherit-perms": (Variant(share="inherit_perms"),),
    "smb2.streams": (Variant(), Variant("streams_xattr", "streams_xattr")),
    "smb2.twrp": (Variant(share="shadow_write", options=_SNAPSHOT),),
}

# general suites once more under other conditions on the wire
WIRE_SUITES = ("smb2.connect", "smb2.credits", "smb2.getinfo", "smb2.read", "smb2.rw", "smb2.tcon")
SEALED_SUITES = ("smb2.create", "smb2.dir", "smb2.lease", "smb2.lock", "smb2.notify", "smb2.oplock")
NEWEST_SUITES = ("smb2.compound",)  # smbtorture itself does not end them below 3.1.1
WIRE = (
    Variant("encrypt", options=("--client-protection=encrypt",)),
    Variant("sign", options=("--client-protection=sign",)),
    *(
        Variant(dialect, options=(f"--option=client max protocol={dialect}",))
        for dialect in ("SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02")
    ),
)

RPC_SUITES = (
    "rpc.lsa-getuser",
    "rpc.lsa.lookupnames",
    "rpc.lsa.lookupsids",
    "rpc.samba3.lsa",
    "rpc.samba3.smb2-pipe-name",
    "rpc.samba3.smb2-reauth1",
    "rpc.samba3.smb2-reauth2",
    "rpc.samba3.srvsvc",
    "rpc.srvsvc",
    "rpc.wkssvc",
)

# tools that smbtorture lists beside its tests, and what needs another machine
NOT_TESTS = (
    "smb2.aio_delay*",
    "smb2.check-sharemode*",
    "smb2.durable-open-disconnect*",
    "smb2.hold-oplock*",
    "smb2.hold-sharemode*",
    "smb2.scan*",
    "smb2.set-sparse-ioctl*",
    "smb2.timestamp_resolution*",
    "smb2.zero-data-ioctl*",
)

# tests that have this port built in: run on a server that has it
PORT_445 = ("smb2.multichannel.bugs.*",)

# load tests: nothing else runs beside them
ALONE = ("smb2.bench*", "smb2.maxfid*", "smb2.secleak*")

LIMIT = 60.0
LIMITS = {
    "smb2.lease.timeout*": 120.0,
    "smb2.maxfid*": 240.0,
    "smb2.multichannel.*": 180.0,
    "smb2.notify.mask.*": 240.0,
    "smb2.oplock.*": 120.0,
    "smb2.replay.*": 180.0,
}
"""Seconds a test may take, by pattern; LIMIT for the others."""


def limit_of(test: Test) -> float:
    """Return the seconds that a test may take."""
    return next((seconds for pattern, seconds in LIMITS.items() if fnmatch.fnmatchcase(test.leaf, pattern)), LIMIT)


def is_alone(test: Test) -> bool:
    """Say whether nothing may run beside a test."""
    return matches(test.leaf, ALONE)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a name fits one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def run_name(leaf: str) -> str:
    """Return what to hand to smbtorture: a simple test is listed with its name twice ("suite.x.x")."""
    parts = leaf.split(".")
    for size in range(1, len(parts) // 2 + 1):
        if parts[-size:] == parts[-2 * size : -size]:
            return ".".join(parts[:-size])
    return leaf


def is_in(name: str, suite: str) -> bool:
    """Say whether a test belongs to a suite (or is it)."""
    return name == suite or name.startswith(suite + ".")


def variants_of(run: str) -> tuple[Variant, ...]:
    """Return how a test runs, the wire variants not included."""
    fitting = [suite for suite in PLACES if is_in(run, suite)]
    return PLACES[max(fitting, key=len)] if fitting else (Variant(),)


def plan(leaves: list[str], wanted: list[str], *, port: int = 0) -> list[Test]:
    """Return the tests to run of those that smbtorture lists.

    wanted  suites or tests; "smb2", "rpc" and "wire" are groups, "all" is all three
    port    where the server listens
    """
    groups = {"smb2", "rpc", "wire"} if "all" in wanted else set(wanted)
    suites = [name for name in groups if name not in ("rpc", "wire", "all")]
    suites += RPC_SUITES if "rpc" in groups else ()
    tests = []
    for leaf in dict.fromkeys(leaves):
        if matches(leaf, NOT_TESTS) or (port != 445 and matches(leaf, PORT_445)):
            continue
        run = run_name(leaf)
        if any(is_in(leaf, suite) for suite in suites):
            tests += [Test(leaf, run, variant) for variant in variants_of(run)]
        if "wire" in groups:
            sealed = any(is_in(leaf, suite) for suite in SEALED_SUITES)
            general = any(is_in(leaf, suite) for suite in WIRE_SUITES)
            newest = any(is_in(leaf, suite) for suite in NEWEST_SUITES)
            own_options = variants_of(run)[0].options
            for variant in WIRE:
                is_sealed = variant.name == "encrypt"
                if general or (sealed and is_sealed) or (newest and (is_sealed or variant.name == "sign")):
                    tests.append(Test(leaf, run, replace(variant, options=(*variant.options, *own_options))))
    return tests
