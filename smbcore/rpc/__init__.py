"""DCE/RPC over named pipes: what Windows clients ask IPC$ for.

From the bottom: `ndr` reads and writes the transfer syntax, `rows` lays out the
information levels of the Net* services, `pdu` is the connection-oriented protocol's
packets, `connection` reassembles and dispatches them, `pipes` makes a message-mode
pipe of it. `srvsvc`, `wkssvc`, `lsarpc` and `samr` are the services; all they know
of the server comes through `context.PipeContext`.
"""
