"""The shapes of what services return and the API accepts; every field says what it means."""
