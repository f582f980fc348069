"""What keeps strangers out of the management service: secrets, throttling, headers, limits."""
