"""Typed messages between the management service and the core, over a unix socket."""
