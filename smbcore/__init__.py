"""The SMB2/3 core: usable without the management service, knows no web framework."""
