"""Checking the parameters of an open before anything is looked up  [MS-FSA 2.1.5.1 phase 1, MS-SMB2 3.3.5.9]."""

from __future__ import annotations

from smbcore.fsa.api import OpenParameters
from smbcore.fsa.path import Target
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    FILE_WRITE_EA,
    GENERIC_RIGHTS,
    MAXIMUM_ALLOWED,
    RESERVED,
    map_generic,
)
from smbcore.nt.info.ea import is_legal_name
from smbcore.nt.status import NtError, Status

UNSUPPORTED_OPTIONS = c.FILE_RESERVE_OPFILTER | c.FILE_OPEN_BY_FILE_ID | c.FILE_CREATE_TREE_CONNECTION
_BOTH_TYPES = c.FILE_DIRECTORY_FILE | c.FILE_NON_DIRECTORY_FILE
_UNUSUAL_OPTIONS = ~c.VALID_OPTIONS | UNSUPPORTED_OPTIONS | c.FILE_DIRECTORY_FILE | c.FILE_DELETE_ON_CLOSE
_VALID_ATTRIBUTES = 0x0000_7FB7
_OVERWRITING = frozenset({c.FILE_SUPERSEDE, c.FILE_OVERWRITE, c.FILE_OVERWRITE_IF})
_NEEDED = {
    c.FILE_SUPERSEDE: DELETE | FILE_WRITE_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES,
    c.FILE_OVERWRITE: FILE_WRITE_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES,
    c.FILE_OVERWRITE_IF: FILE_WRITE_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES,
}
SETTABLE_AT_CREATE = fa.SETTABLE


def overwrites(disposition: int) -> bool:
    """Tell whether the disposition replaces the content of an existing file."""
    return disposition in _OVERWRITING


def needed_to_overwrite(disposition: int) -> int:
    """Return the access to an existing file that the disposition takes beside the desired one  [MS-FSA 2.1.5.1.2.1]."""
    return _NEEDED.get(disposition, 0)


def check_parameters(p: OpenParameters, target: Target) -> int:
    """Check what can be checked without looking at the volume; return the desired access without generic rights.

    Errors: ACCESS_DENIED reserved or no access bits, more than the share grants, DELETE_ON_CLOSE without DELETE;
            INVALID_PARAMETER reserved bits, or a combination that means nothing;  NOT_SUPPORTED options nobody offers;
            INVALID_EA_NAME;  NOT_A_DIRECTORY a stream opened as a directory;
            OBJECT_NAME_INVALID a file's name ends with a backslash.
    """
    desired = p.desired_access
    if desired & RESERVED or not desired:
        raise NtError(Status.ACCESS_DENIED, f"desired access {desired:#x}")
    if desired & GENERIC_RIGHTS:
        desired = map_generic(desired)
    options = p.create_options
    if p.create_disposition > c.FILE_MAXIMUM_DISPOSITION or p.share_access & ~c.FILE_SHARE_VALID:
        raise NtError(Status.INVALID_PARAMETER, "disposition or share access")
    if options & _UNUSUAL_OPTIONS:
        _check_options(options, p.create_disposition, desired)
    if p.file_attributes & ~fa.FILE_ATTRIBUTE_NORMAL:
        _check_attributes(p.file_attributes, options)
    refused = desired & ~p.access_limit & ~(MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY)
    if refused:
        raise NtError(Status.ACCESS_DENIED, f"share refuses {refused:#x}")
    for name, _ in p.extended_attributes:
        if not is_legal_name(name):
            raise NtError(Status.INVALID_EA_NAME, repr(name))
    if target.is_data and options & c.FILE_DIRECTORY_FILE:
        raise NtError(Status.NOT_A_DIRECTORY, "a stream as a directory")
    if target.is_directory and options & c.FILE_NON_DIRECTORY_FILE:
        raise NtError(Status.OBJECT_NAME_INVALID, "a directory's name for a file")
    return desired


def _check_options(options: int, disposition: int, desired: int) -> None:
    if options & ~c.VALID_OPTIONS or options & _BOTH_TYPES == _BOTH_TYPES:
        raise NtError(Status.INVALID_PARAMETER, f"options {options:#x}")
    if options & UNSUPPORTED_OPTIONS:
        raise NtError(Status.NOT_SUPPORTED, f"options {options:#x}")
    if options & c.FILE_DIRECTORY_FILE and disposition in _OVERWRITING:
        raise NtError(Status.INVALID_PARAMETER, "a directory cannot be overwritten")
    if options & c.FILE_DELETE_ON_CLOSE and not desired & (DELETE | MAXIMUM_ALLOWED):
        raise NtError(Status.ACCESS_DENIED, "delete on close without DELETE")


def _check_attributes(attributes: int, options: int) -> None:
    if attributes & ~_VALID_ATTRIBUTES:
        raise NtError(Status.INVALID_PARAMETER, f"attributes {attributes:#x}")
    if attributes & fa.FILE_ATTRIBUTE_ENCRYPTED:
        raise NtError(Status.ACCESS_DENIED, "encryption is not offered")
    if attributes & fa.FILE_ATTRIBUTE_TEMPORARY and options & c.FILE_DIRECTORY_FILE:
        raise NtError(Status.INVALID_PARAMETER, "a temporary directory")
