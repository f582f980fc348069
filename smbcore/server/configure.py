"""From the stored configuration to what the server works with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from smbcore.auth.acceptor import Authenticator, ServerNames
from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.offload import TokenTable
from smbcore.fsa.volume import Volume
from smbcore.nt.guid import from_text
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import SecurityDescriptor
from smbcore.server import space
from smbcore.server.accounts import AccountStore
from smbcore.server.config import Encryption, Limits, ServerConfig
from smbcore.server.personal import PersonalFolder
from smbcore.server.shares import LEVELS, Grant
from smbcore.vfs.posix.backend import PosixBackend, open_inner_folder
from smbcore.vfs.posix.local_programs import LocalPrograms

if TYPE_CHECKING:
    from smbcore.nt.clock import Clock
    from smbcore.state.configuration import Configuration, Settings, ShareConfig

DIALECTS: Final = {"2.0.2": 0x0202, "2.1": 0x0210, "3.0": 0x0300, "3.0.2": 0x0302, "3.1.1": 0x0311}
_WRITE_TIME_DELAY: Final = 2.0
_DEFAULT_SDDL: Final = "O:BAG:BAD:AI(A;OICI;FA;;;WD)"


def server_config(settings: Settings, *, test_controls: bool = False) -> ServerConfig:
    """Translate the settings."""
    encryption = Encryption.OFFERED if settings.encryption_offered else Encryption.OFF
    if settings.encryption_required:
        encryption = Encryption.REQUIRED
    return ServerConfig(
        server_guid=from_text(settings.server_guid),
        name=settings.server_name.upper(),
        min_dialect=DIALECTS[settings.min_dialect],
        max_dialect=DIALECTS[settings.max_dialect],
        signing_required=settings.signing_required,
        encryption=encryption,
        max_transact=settings.max_io_size,
        max_read=settings.max_io_size,
        max_write=settings.max_io_size,
        multi_channel=settings.multichannel,
        allow_anonymous=settings.allow_anonymous,
        allow_guest=settings.allow_guest,
        max_sessions=settings.max_sessions,
        session_lifetime=float(settings.session_lifetime_s),
        break_timeout=float(settings.break_timeout_s),
        break_retry=settings.break_retry_ms / 1000,
        durable_timeout=float(settings.durable_timeout_s),
        test_controls=test_controls,
        limits=Limits(
            disconnected_opens=settings.max_away,
            kept_per_client=settings.max_kept_per_client,
            kept_per_user=settings.max_kept_per_user,
            kept_per_session=settings.max_kept_per_session,
            unanswered_breaks=settings.max_unanswered_breaks,
        ),
    )


def authenticator(settings: Settings, accounts: AccountStore, clock: Clock) -> Authenticator:
    """Make the acceptor of sign-ins."""
    name = settings.server_name.upper()
    names = ServerNames(netbios=name, dns=name.lower(), domain=settings.workgroup)
    return Authenticator(accounts, names, settings.allow_anonymous, settings.allow_guest, clock=clock)


def grants(share: ShareConfig, accounts: AccountStore) -> tuple[Grant, ...]:
    """Translate an access list; lines for accounts that do not exist any more grant nothing."""
    found = []
    for line in share.access:
        sid = accounts.sid_of(line.principal)
        if sid is not None:
            found.append(Grant(sid, 0 if line.level == "deny" else LEVELS[line.level]))
    return tuple(found)


def all_shares(configuration: Configuration, accounts: AccountStore) -> Iterable[tuple[ShareConfig, tuple[Grant, ...]]]:
    """Return every configured share with its access list."""
    return [(share, grants(share, accounts)) for share in configuration.shares]


def default_security() -> bytes:
    """Return the descriptor of files that carry none: the share's access list decides alone."""
    descriptor: SecurityDescriptor = from_sddl(_DEFAULT_SDDL)
    return descriptor.encode()


def volume_config(share: ShareConfig, break_timeout: float) -> VolumeConfig:
    """Translate a share's options."""
    options = share.options
    return VolumeConfig(
        default_security=default_security(),
        read_only=share.read_only,
        named_streams=options.streams,
        change_notify=options.change_notify,
        oplocks=options.oplocks,
        leases=options.leases,
        access_based_enumeration=share.abe,
        delete_readonly=options.delete_readonly,
        hide_dot_files=options.hide_dot_files,
        hide_files=options.hide_files,
        local_changes=options.inotify,
        canonical_inheritance=options.canonical_inheritance,
        hidden_eas=frozenset(name.upper().encode() for name in options.hidden_eas),
        keep_creation_time=options.keep_creation_time,
        guards_caching=options.kernel_oplocks,
        mirrors_locks=options.posix_locks,
        rename_beside_delete=options.rename_beside_delete,
        delayed_write_time=_WRITE_TIME_DELAY if options.delayed_write_time else 0.0,
        break_timeout=break_timeout,
        space=space.rules(share.options),
    )


def open_posix_volume(
    share: ShareConfig,
    clock: Clock,
    break_timeout: float,
    tokens: TokenTable,
    programs: LocalPrograms,
    folder: PersonalFolder | None = None,
) -> Volume:
    """Open the folder behind a share, or one user's folder in it, which is made if it is missing.

    Raises NtError or OSError where it cannot be used.
    """
    backend = PosixBackend(
        share.path if folder is None else open_inner_folder(share.path, folder.name),
        label=share.name if folder is not None else "",
        case_sensitive=share.options.case_sensitive,
        programs=programs if share.options.kernel_oplocks else None,
    )
    if folder is not None:
        backend.secure_root(folder.security())
    return Volume(backend, volume_config(share, break_timeout), clock, tokens)
