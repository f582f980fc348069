"""The SMB2/3 server: connections, sessions, tree connects, opens and leases over the file-system layer."""
