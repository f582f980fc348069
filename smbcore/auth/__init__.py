"""Authentication as step machines: tokens in, tokens out, no sockets, no waiting.

`acceptor` is the server's side, `initiator` the client's, `accounts` the Protocol class that says who exists.
SPNEGO and the NTLM messages are pyspnego's; `negotiation` and `ntlm` override what its acceptor lacks or gets
wrong. These overrides touch private names of the library, which is why its version is pinned and the tests run
recorded tokens of several clients through them.
"""
