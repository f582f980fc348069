"""The error of every decoder in this package."""

from smbcore.nt.errors import WireError

__all__ = ["WireError"]
