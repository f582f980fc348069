"""The management service: REST API, web pages, and the `holdfast` command."""
