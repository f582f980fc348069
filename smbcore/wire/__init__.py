"""SMB2 messages to and from bytes  [MS-SMB2 2.2].

One module per command. A message class holds meaning: structure sizes, offsets, lengths and padding exist only
inside its `decode(reader)` and `encode()`. The header is separate (`wire.header`), because the hot path packs it
in place in front of a body. The only error a decoder raises is `WireError`.
"""
