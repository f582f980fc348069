"""SPNEGO as the server speaks it, and tokens that come without it  [RFC 4178, MS-SPNG 3.3].

The library's state machine with these differences:

* the mechanisms are the ones it is given, in the server's order;
* an optimistic token belongs to the client's first mechanism; if another one is chosen it is dropped;
* a MIC on the mechanism list is demanded only when the client's first choice was not taken: pysmb cannot even
  parse that demand, and there is nothing to protect otherwise;
* only the mechanism decides that the context is complete: the client's own negState counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from spnego._context import GSSMech
from spnego._negotiate import NegotiateProxy
from spnego._spnego import NegTokenInit
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadMechanismError, InvalidTokenError

from smbcore.auth.mechanism import Environment, Mechanism, MechanismFactory

_HINT = b"not_defined_in_RFC4178@please_ignore"


def hint(mechanisms: Mapping[GSSMech, MechanismFactory]) -> bytes:
    """NegTokenInit2 with the mechanisms, for the NEGOTIATE response  [MS-SPNG 2.2.1]."""
    return NegTokenInit([mech.value for mech in mechanisms], hint_name=_HINT).pack()


class SpnegoAcceptor(NegotiateProxy):
    """One exchange: SPNEGO, or a bare mechanism token if the first one is."""

    def __init__(self, mechanisms: Mapping[GSSMech, MechanismFactory], environment: Environment) -> None:
        super().__init__(usage="accept")
        self._mechanisms = mechanisms
        self._environment = environment
        self._made: dict[GSSMech, Mechanism] = {}
        self._wrapped: bool | None = None

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism that was agreed on."""
        return self._made[self._chosen_mech]

    @property
    def claimed(self) -> str:
        """The name of who wants to log on, as the client gave it; "" before it did."""
        return next((mechanism.claimed for mechanism in self._made.values() if mechanism.claimed), "")

    def step(
        self, in_token: bytes | None = None, *, channel_bindings: GssChannelBindings | None = None
    ) -> bytes | None:
        """Take one token of the client, return the answer or None. Nothing is logged."""
        token, mic, wrapped = self._step_spnego_input(in_token)
        answer = self._step_spnego_token(token) if token else None
        if not wrapped:
            self._complete = self.mechanism.complete
            return answer
        return self._step_spnego_output(answer, self._step_spnego_mic(mic))

    def _preferred_mech_list(self) -> list[GSSMech]:
        return list(self._mechanisms)

    def _rebuild_context_list(
        self, mech_types: list[str] | None = None, channel_bindings: GssChannelBindings | None = None
    ) -> list[str]:
        """Make the mechanisms that the client offered; called once, with its first token."""
        if self._made:
            raise InvalidTokenError(context_msg="negotiation starts anew")
        for mech, make in self._mechanisms.items():
            if any(self._is_same_mech(mech, oid) for oid in mech_types or ()):
                self._made[mech] = make(self._environment)
        if not self._made:
            raise BadMechanismError(context_msg="no mechanism in common")
        self._available_contexts = dict(self._made)
        return super()._rebuild_context_list(mech_types)

    def _step_spnego_input(
        self, in_token: bytes | None = None, channel_bindings: GssChannelBindings | None = None
    ) -> tuple[bytes | None, bytes | None, bool]:
        first = self._wrapped is None
        complete = self._complete
        token, mic, wrapped = super()._step_spnego_input(in_token)
        self._complete = complete
        if not first and wrapped != self._wrapped:
            raise InvalidTokenError(context_msg="SPNEGO and bare tokens mixed")
        self._wrapped = wrapped
        if first and wrapped:
            self._mic_required = not self._is_same_mech(self._chosen_mech, self._mech_list[0])
            if self._mic_required:
                token = None
        return token, mic, wrapped

    def _step_spnego_mic(self, in_mic: bytes | None = None) -> bytes | None:
        """Check and answer the MIC over the mechanism list, unless there is no key to do so with  [RFC 4178 5]."""
        mechanism = self.mechanism
        if mechanism.complete and not mechanism.can_sign:
            self._mic_required = False
            return None
        return super()._step_spnego_mic(in_mic)
