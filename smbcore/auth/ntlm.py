"""NTLM as the server's mechanism: NTLMv2 only  [MS-NLMP 3.2].

What differs from the library's acceptor, and why:

* accounts come from a callback, not from a file that the process environment names;
* the proof is computed over the bytes that came. The library packs the AV pairs anew and appends four zero bytes,
  which Samba and impacket do not send: it refuses their right passwords;
* an unknown user costs what a wrong password costs and looks the same; comparisons take constant time;
* anonymous and guest exist, both off unless allowed;
* a MIC on the mechanism list is answered but never demanded, for impacket and pysmb send none.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import cast

from spnego._credential import NTLMHash
from spnego._ntlm import NTLMProxy
from spnego._ntlm_raw.messages import (
    Authenticate,
    AvFlags,
    AvId,
    Challenge,
    Negotiate,
    NegotiateFlags,
    TargetInfo,
    Version,
)
from spnego._ntlm_raw.security import sign
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadMICError, NoContextError

from smbcore.auth.mechanism import Environment, Mechanism, Outcome, anonymous_identity
from smbcore.auth.ntlm_crypto import (
    CLIENT_CHALLENGE_SIZE,
    KEY_SIZE,
    PROOF_SIZE,
    av_pairs,
    exported_session_key,
    md5_mac,
    ntowfv2,
)
from smbcore.nt.status import NtError, Status

_UNICODE, _OEM = NegotiateFlags.unicode, NegotiateFlags.oem
# What the challenge takes over from the client. No LM key, no datagrams.
_ECHOED = int(
    _UNICODE
    | _OEM
    | NegotiateFlags.sign
    | NegotiateFlags.seal
    | NegotiateFlags.extended_session_security
    | NegotiateFlags.identity
    | NegotiateFlags.version
    | NegotiateFlags.key_128
    | NegotiateFlags.key_exch
    | NegotiateFlags.key_56
)
_ALWAYS = int(
    NegotiateFlags.request_target
    | NegotiateFlags.ntlm
    | NegotiateFlags.always_sign
    | NegotiateFlags.target_info
    | NegotiateFlags.target_type_server
)
_VERSION = Version(major=6, minor=1, build=0, revision=15)
_NO_KEY = bytes(KEY_SIZE)
_NO_MIC = bytes(16)
_LONGEST_NAME = 64
_RESPONSE_TYPES = b"\x01\x01"  # RespType, HiRespType  [MS-NLMP 2.2.2.7]


class NtlmMechanism(Mechanism, NTLMProxy):
    """One NTLM exchange seen from the server."""

    name = "NTLM"

    def __init__(self, environment: Environment) -> None:
        # As an acceptor the library would look for its password file; so it is made as an initiator with a
        # credential that nobody uses, and turned round.
        super().__init__(username=NTLMHash(username="-", nt_hash="0" * 32), usage="initiate")
        self.usage = "accept"
        self._credential = None
        self._is_wrapped = True  # keeps tokens out of the library's log
        self._environment = environment
        self.claimed = ""
        self.outcome = None

    @property
    def client_principal(self) -> str | None:
        """The name of who logged on, as the client gave it."""
        return self.claimed if self._complete else None

    @property
    def can_sign(self) -> bool:
        """Whether a signature of this context proves anything; see `Mechanism`."""
        known = self.outcome is not None and not self.outcome.guest and not self.outcome.anonymous
        return known and bool(self._context_attr & NegotiateFlags.sign)

    @property
    def _requires_mech_list_mic(self) -> bool:
        return False

    def verify(self, data: bytes, mic: bytes) -> int:
        """As the library's, in constant time."""
        if not self._handle_in or self._sign_key_in is None:
            raise NoContextError(context_msg="signature before the context is complete")
        expected = sign(self._context_attr, self._handle_in, self._sign_key_in, self._seq_num_in, data)
        if not hmac.compare_digest(expected, mic):
            raise BadMICError(context_msg="signature does not fit")
        return 0

    def _step_accept_negotiate(self, token: bytes) -> bytes:
        """Answer NEGOTIATE_MESSAGE with CHALLENGE_MESSAGE  [MS-NLMP 3.2.5.1.1]."""
        self._temp_negotiate = Negotiate.unpack(token)
        self._temp_challenge = self._challenge(self._temp_negotiate.flags)
        return self._temp_challenge.pack()

    def _challenge(self, offered: int) -> Challenge:
        flags = offered & _ECHOED | _ALWAYS
        if flags & _UNICODE or not flags & _OEM:
            flags = (flags | _UNICODE) & ~_OEM
        names = self._environment.names
        return Challenge(
            flags,
            self._environment.urandom(8),
            target_name=names.netbios,
            target_info=self._target_info(),
            version=_VERSION if flags & NegotiateFlags.version else None,
        )

    def _target_info(self) -> TargetInfo:
        names = self._environment.names
        info = TargetInfo()
        info[AvId.nb_domain_name] = names.domain
        info[AvId.nb_computer_name] = names.netbios
        info[AvId.dns_domain_name] = names.dns_domain
        info[AvId.dns_computer_name] = names.dns
        # A time stamp makes clients protect the exchange with a MIC.
        info[AvId.timestamp] = self._environment.clock.now().to_bytes(8, "little")
        return info

    def _step_accept_authenticate(self, token: bytes, channel_bindings: GssChannelBindings | None) -> None:
        """Check AUTHENTICATE_MESSAGE  [MS-NLMP 3.2.5.1.2].

        Errors:  LOGON_FAILURE      unknown user, wrong password, LM or NTLMv1, anonymous not allowed, MIC or
                                    channel bindings do not fit
                 ACCOUNT_DISABLED   and what else the store says about an account whose password was right

        What cannot be parsed raises what the parser runs into, which `acceptor` answers with INVALID_PARAMETER.
        """
        message = Authenticate.unpack(token)
        outcome = self._anonymous(message) if _is_anonymous(message) else self._check(message)
        self.outcome = replace(outcome, client_name=(message.workstation or "")[:_LONGEST_NAME])
        self._session_key = self.outcome.session_key or _NO_KEY
        self._context_attr = message.flags
        self._complete = True

    def _anonymous(self, message: Authenticate) -> Outcome:
        if not self._environment.allow_anonymous:
            raise NtError(Status.LOGON_FAILURE, "anonymous is not allowed")
        key = exported_session_key(message.flags, _NO_KEY, message.encrypted_random_session_key)
        return Outcome(anonymous_identity(), key, anonymous=True)

    def _check(self, message: Authenticate) -> Outcome:
        self.claimed, domain = message.user_name or "", message.domain_name or ""
        response = message.nt_challenge_response or b""
        blob = response[PROOF_SIZE:]
        if len(blob) < CLIENT_CHALLENGE_SIZE or not blob.startswith(_RESPONSE_TYPES):
            raise NtError(Status.LOGON_FAILURE, f"{domain}\\{self.claimed} offers only LM or NTLMv1")
        pairs = av_pairs(blob[CLIENT_CHALLENGE_SIZE:])  # malformed ones are no matter of the password
        nt_hash = self._environment.nt_hash(domain, self.claimed)
        # From here to the comparison the same is done for users that do not exist.
        key = ntowfv2(nt_hash or _NO_KEY, self.claimed, domain)
        proof = md5_mac(key, cast("Challenge", self._temp_challenge).server_challenge + blob)
        fits = hmac.compare_digest(proof, response[:PROOF_SIZE])
        if nt_hash is None and self._environment.allow_guest:
            return Outcome(self._environment.guest(), b"", guest=True)
        if nt_hash is None or not fits:
            raise NtError(Status.LOGON_FAILURE, f"unknown user or wrong password for {domain}\\{self.claimed}")
        session_key = exported_session_key(message.flags, md5_mac(key, proof), message.encrypted_random_session_key)
        self._check_bindings(pairs)
        if int.from_bytes(pairs.get(AvId.flags, b""), "little") & AvFlags.mic:
            self._check_mic(message, session_key)
        return Outcome(self._environment.identity(domain, self.claimed), session_key)

    def _check_mic(self, message: Authenticate, session_key: bytes) -> None:
        """The client said under its proof that there is a MIC: all three messages must be as it saw them."""
        mic = message.mic
        if mic is None:
            raise NtError(Status.LOGON_FAILURE, "announced MIC is missing")
        message.mic = _NO_MIC
        negotiate, challenge = cast("Negotiate", self._temp_negotiate), cast("Challenge", self._temp_challenge)
        expected = md5_mac(session_key, negotiate.pack() + challenge.pack() + message.pack())
        if not hmac.compare_digest(expected, mic):
            raise NtError(Status.LOGON_FAILURE, "MIC does not fit: a message was changed on its way")

    def _check_bindings(self, pairs: dict[int, bytes]) -> None:
        """Where the channel has bindings, the client must name the same; nothing or zeros would fit a relay, too."""
        data = self._environment.channel_bindings
        if data is None:
            return
        expected = hashlib.md5(GssChannelBindings(application_data=data).pack(), usedforsecurity=False).digest()
        if not hmac.compare_digest(expected, pairs.get(AvId.channel_bindings, b"")):
            raise NtError(Status.LOGON_FAILURE, "channel bindings do not fit")


def _is_anonymous(message: Authenticate) -> bool:
    """No name, no NT response, and an LM response of nothing or one zero byte  [MS-NLMP 3.2.5.1.2]."""
    if message.user_name or message.nt_challenge_response:
        return False
    return (message.lm_challenge_response or b"\0") == b"\0"
