"""The client's side: NTLMv2, in SPNEGO or bare  [MS-NLMP 3.1, RFC 4178]."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import cast

from spnego._context import ContextProxy, GSSMech
from spnego._credential import NTLMHash
from spnego._negotiate import NegotiateProxy
from spnego._ntlm import NTLMProxy
from spnego._ntlm_raw.crypto import compute_response_v2, rc4k
from spnego._ntlm_raw.messages import (
    Authenticate,
    AvFlags,
    AvId,
    Challenge,
    FileTime,
    Negotiate,
    NegotiateFlags,
    TargetInfo,
    Version,
)
from spnego._spnego import NegState, NegTokenResp, unpack_token
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from smbcore.auth.der import check_token
from smbcore.auth.ntlm_crypto import KEY_SIZE, md5_mac, ntowfv2, uses_key_exchange
from smbcore.crypto.md4 import nt_hash as hash_password
from smbcore.nt.clock import Clock, SystemClock
from smbcore.nt.status import NtError, Status

_VERSION = Version(major=6, minor=1, build=0, revision=15)
_NO_KEY = bytes(KEY_SIZE)


class Initiator:
    """Logs one user on.

    user, password  `password` may be replaced by `nt_hash`, 16 bytes
    domain          as the server should see it; empty for a local account of the server
    anonymous       log on without a name; user and password are ignored
    spnego          wrap the tokens; False sends bare NTLMSSP, as embedded clients do
    workstation     name of this computer for the server's log
    """

    __slots__ = ("_context", "_ntlm", "_over", "_spnego")

    def __init__(
        self,
        user: str,
        password: str = "",
        domain: str = "",
        *,
        anonymous: bool = False,
        spnego: bool = True,
        workstation: str = "",
        nt_hash: bytes | None = None,
        channel_bindings: bytes | None = None,
        clock: Clock | None = None,
        urandom: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._ntlm = _ClientNtlm(
            user=user,
            domain=domain,
            nt_hash=nt_hash if nt_hash is not None else hash_password(password),
            anonymous=anonymous,
            workstation=workstation,
            bindings=channel_bindings,
            clock=clock or SystemClock(),
            urandom=urandom,
        )
        self._spnego = spnego
        self._context: ContextProxy = self._ntlm
        if spnego:
            self._context = NegotiateProxy(usage="initiate", _negotiate_contexts={GSSMech.ntlm: self._ntlm})
        self._over = False

    def step(self, token: bytes | memoryview | None) -> bytes:
        """Take the server's token and return the next one to send; empty when there is nothing more to say.

        The first call takes the hint of the NEGOTIATE response, which it ignores, or None.

        Errors:  LOGON_FAILURE      the server rejects, or its signature does not fit
                 INVALID_PARAMETER  its token is malformed, or comes after the end
        """
        if self._over:
            raise NtError(Status.INVALID_PARAMETER, "the exchange is over")
        self._over = True
        given = bytes(token) if token else None
        if not self._ntlm.started:
            given = None  # the hint is not protected and there is one mechanism to offer, whatever it says
        try:
            if given is not None:
                check_token(given)
            reply = self._conclude(given) if self.complete else self._context.step(given) or b""
        except NtError:
            raise
        except SpnegoError as error:
            raise NtError(Status.LOGON_FAILURE, str(error)) from error
        except Exception as error:
            # The parsers of the library raise whatever they run into; see `acceptor`.
            raise NtError(Status.INVALID_PARAMETER, f"malformed token: {error!r}") from error
        self._over = self.complete and not reply
        return reply

    def _conclude(self, token: bytes | None) -> bytes:
        """Take what the server says after our last token, when there was nothing to verify: nothing, or accepted."""
        if token is not None:
            answer = unpack_token(token)
            if not isinstance(answer, NegTokenResp) or answer.neg_state not in (None, NegState.accept_complete):
                raise NtError(Status.LOGON_FAILURE, "the server did not accept")
        return b""

    @property
    def complete(self) -> bool:
        """Whether no token of the server is expected any more. The server's status says whether it let us in."""
        return self._context.complete

    @property
    def session_key(self) -> bytes:
        """The key of the exchange, 16 bytes, known once the last token was made; empty before."""
        return self._ntlm.session_key


class _ClientNtlm(NTLMProxy):
    """The library's initiator with a workstation name, anonymous, and user names beyond ASCII done right."""

    def __init__(
        self,
        *,
        user: str,
        domain: str,
        nt_hash: bytes,
        anonymous: bool,
        workstation: str,
        bindings: bytes | None,
        clock: Clock,
        urandom: Callable[[int], bytes],
    ) -> None:
        # The library would take a password that looks like a pair of hashes for one; it gets the hash only.
        super().__init__(username=NTLMHash(username="-", nt_hash=nt_hash.hex()), usage="initiate")
        self._is_wrapped = True  # keeps tokens out of the library's log
        self._user, self._domain, self._nt_hash = user, domain, nt_hash
        self._anonymous, self._workstation = anonymous, workstation
        self._bindings = GssChannelBindings(application_data=bindings) if bindings is not None else None
        self._clock, self._urandom = clock, urandom

    @property
    def started(self) -> bool:
        """Whether the first message was made."""
        return self._temp_negotiate is not None or self._complete

    @property
    def _requires_mech_list_mic(self) -> bool:
        return self._complete and self._mic_required

    def _step_initiate(
        self, in_token: bytes | None = None, *, channel_bindings: GssChannelBindings | None = None
    ) -> bytes:
        if self._temp_negotiate is None:
            self._temp_negotiate = Negotiate(self._context_req, version=_VERSION)
            return self._temp_negotiate.pack()
        raw = in_token or b""
        challenge = Challenge.unpack(raw)
        message = self._nobody(challenge) if self._anonymous else self._somebody(challenge)
        if self._mic_required:
            negotiate = self._temp_negotiate.pack()
            message.mic = md5_mac(cast("bytes", self._session_key), negotiate + raw + message.pack())
        self._context_attr = message.flags
        self._complete = True
        return message.pack()

    def _nobody(self, challenge: Challenge) -> Authenticate:
        """AUTHENTICATE_MESSAGE without a user  [MS-NLMP 3.1.5.1.2]."""
        encrypted = self._make_session_key(challenge.flags, _NO_KEY)
        flags = challenge.flags | NegotiateFlags.anonymous
        return Authenticate(flags, b"\0", None, encrypted_session_key=encrypted, version=_VERSION)

    def _somebody(self, challenge: Challenge) -> Authenticate:
        """AUTHENTICATE_MESSAGE with the NTLMv2 response  [MS-NLMP 3.3.2]."""
        info = challenge.target_info.copy() if challenge.target_info else TargetInfo()
        time = info.get(AvId.timestamp)
        self._mic_required = time is not None
        if self._mic_required:
            info[AvId.flags] = info.get(AvId.flags, AvFlags(0)) | AvFlags.mic
        if self._bindings is not None:
            info[AvId.channel_bindings] = _digest(self._bindings)
        nt, lm, key = compute_response_v2(
            ntowfv2(self._nt_hash, self._user, self._domain),
            challenge.server_challenge,
            self._urandom(8),
            time if time is not None else FileTime.unpack(self._clock.now().to_bytes(8, "little")),
            info,
        )
        return Authenticate(
            challenge.flags,
            bytes(24) if self._mic_required else lm,
            nt,
            domain_name=self._domain or None,
            username=self._user,
            workstation=self._workstation or None,
            encrypted_session_key=self._make_session_key(challenge.flags, key),
            version=_VERSION,
        )

    def _make_session_key(self, flags: int, key_exchange_key: bytes) -> bytes | None:
        """Set the session key; return it encrypted if it is to travel."""
        if not uses_key_exchange(flags):
            self._session_key = key_exchange_key
            return None
        self._session_key = self._urandom(KEY_SIZE)
        return rc4k(key_exchange_key, self._session_key)


def _digest(bindings: GssChannelBindings) -> bytes:
    return hashlib.md5(bindings.pack(), usedforsecurity=False).digest()
