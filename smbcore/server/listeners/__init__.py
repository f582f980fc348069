"""Where connections come from."""
