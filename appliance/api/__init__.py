"""The REST API, version 1: routes that parse, call one service, and describe the answer."""
