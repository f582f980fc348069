"""See the package table of the design: smbcore.client."""
