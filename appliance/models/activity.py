"""Sessions, tree connects, opens, locks, leases and nodes, as people see them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.models.common import Id, Input, Moment, Shape


class Principal(Shape):
    """A user."""

    name: str = Field(description="Account name; empty when anonymous.")
    sid: str = Field(description="Security identifier.")


class Client(Shape):
    """The machine at the other end."""

    name: str = Field(description="The name that the client gave; may be empty.")
    address: str = Field(description="Network address.")
    guid: str = Field(description="ClientGuid of the SMB connection.")


class Signing(Shape):
    """How messages are signed."""

    algorithm: str = Field(description="`AES-128-GMAC`, `AES-128-CMAC` or `HMAC-SHA256`; empty when nothing is signed.")
    required: bool = Field(description="Unsigned messages are refused.")


class Encryption(Shape):
    """How messages are encrypted."""

    cipher: str = Field(description="`AES-128-GCM` and so on, or empty when nothing is encrypted.")


class Session(Shape):
    """A user signed in from a client."""

    id: Id
    wire_id: Id = Field(description="SessionId in the SMB2 header.")
    node: str = Field(description="The node that serves it.")
    user: Principal = Field(description="Who is signed in.")
    client: Client = Field(description="From where.")
    dialect: str = Field(description="SMB dialect: `2.1` to `3.1.1`.")
    auth: str = Field(description="How the user proved who they are: `ntlm`, `kerberos`.")
    guest: bool = Field(description="Signed in as guest.")
    anonymous: bool = Field(description="Signed in without a name.")
    signing: Signing = Field(description="How messages are signed.")
    encryption: Encryption = Field(description="How messages are encrypted.")
    channels: int = Field(description="Number of connections that carry the session.")
    shares: list[str] = Field(description="Names of the shares that it is connected to.")
    opens: int = Field(description="Number of open files and directories.")
    away: int = Field(description="Number of handles that the server keeps for this user's return to this client.")
    unanswered_breaks: int = Field(
        default=0, description="How many breaks of oplocks and leases this user's client has not answered in time."
    )
    caching_withheld: bool = Field(
        default=False,
        description="The client gets no more oplocks and leases until it answers a break, or for a while.",
    )
    bytes_in: int = Field(description="Bytes that the client has written.")
    bytes_out: int = Field(description="Bytes that the client has read.")
    created_at: Moment = Field(description="When it began.")
    last_active_at: Moment = Field(description="When the client last asked for something.")
    expires_at: Moment | None = Field(description="When the user must prove who they are again; null for never.")

    @property
    def protection(self) -> Literal["encrypted", "signed", "plain"]:
        """How well messages are protected."""
        if self.encryption.cipher:
            return "encrypted"
        return "signed" if self.signing.algorithm else "plain"


class Tcon(Shape):
    """A session's connection to one share."""

    id: Id
    wire_id: Id = Field(description="TreeId in the SMB2 header.")
    session_id: Id = Field(description="The session that it belongs to.")
    user: str = Field(description="Account name of the session.")
    client: Client = Field(description="The client of the session.")
    node: str = Field(description="The node that serves it.")
    share: str = Field(description="Name of the share.")
    encrypted: bool = Field(description="The share demands encryption.")
    access: str = Field(description="What the share allows this user, in words.")
    opens: int = Field(description="Number of open files and directories.")
    created_at: Moment = Field(description="When it began.")


class Access(Shape):
    """What a handle may do."""

    mask: str = Field(description="Granted access mask in hexadecimal.")
    words: str = Field(description="The mask in short words: `read`, `read+write`, `attributes only`.")
    rights: str = Field(description="Every right of the mask.")


class ShareMode(Shape):
    """What others may do at the same time."""

    mask: int = Field(description="1 read, 2 write, 4 delete.")
    words: str = Field(description="The mask in words: `read, write`, or `nothing`.")


class Caching(Shape):
    """What the client may keep to itself."""

    kind: Literal["none", "oplock", "lease"] = Field(description="How caching was granted.")
    level: str = Field(description="`RWH` letters of the lease, or the oplock level; empty for none.")
    lease_key: str | None = Field(description="Key of the lease, 32 hexadecimal digits.")
    may_write_behind: bool = Field(description="The client may hold data that is not on the server yet.")


class Durable(Shape):
    """How long the handle outlives its connection."""

    kind: Literal["", "durable", "persistent", "resilient"] = Field(description="Kind of handle; empty for ordinary.")
    timeout_seconds: float = Field(description="How long the server keeps it without its client.")
    disconnected_at: Moment | None = Field(description="Since when its client is away; null while connected.")
    expires_at: Moment | None = Field(description="When the server gives it up unless the client comes back before.")


class Open(Shape):
    """An open file or directory."""

    id: Id
    persistent_id: Id = Field(description="Persistent half of the SMB2 FileId.")
    volatile_id: Id = Field(description="Volatile half of the SMB2 FileId.")
    session_id: Id | None = Field(description="The session that holds it; null while its client is away.")
    tcon_id: Id | None = Field(description="The tree connect that holds it; null while its client is away.")
    node: str = Field(description="The node that serves it.")
    user: str = Field(description="Account name of the holder; empty for anonymous.")
    client: Client | None = Field(description="The client of the session; null while it is away.")
    share: str = Field(description="Name of the share.")
    path: str = Field(description="Path within the share, separated by backslashes; empty for its root.")
    stream: str = Field(description="Name of the alternate data stream; empty for the file itself.")
    is_directory: bool = Field(description="A directory.")
    access: Access = Field(description="What the handle may do.")
    share_mode: ShareMode = Field(description="What others may do at the same time.")
    create_options: str = Field(description="Create options in hexadecimal.")
    caching: Caching = Field(description="What the client may keep to itself.")
    durable: Durable = Field(description="How long the handle outlives its connection.")
    locks: int = Field(description="Number of byte-range locks.")
    pending_delete: bool = Field(description="The file goes away when the last handle is closed.")
    opened_at: Moment = Field(description="When it was opened.")
    last_io_at: Moment = Field(description="When it was last read or written.")
    bytes_read: int = Field(description="Bytes read through it.")
    bytes_written: int = Field(description="Bytes written through it.")

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("\\")[2] or f"{self.share} (the share itself)"

    @property
    def folder(self) -> str:
        r"""The share and the path up to the name: \\share\folder."""
        parent = self.path.rpartition("\\")[0]
        return f"{self.share}\\{parent}" if parent else self.share


class Lease(Shape):
    """What one client caches of one file."""

    id: Id
    client_guid: str = Field(description="The client that holds it.")
    lease_key: str = Field(description="Key that the client chose, 32 hexadecimal digits.")
    state: str = Field(description="`R` read, `W` write, `H` handle caching.")
    breaking_to: str | None = Field(description="What it is being broken to; null while no break is under way.")
    epoch: int = Field(description="Counts the changes of the state.")
    version: int = Field(description="1 or 2.")
    node: str = Field(description="The node that granted it.")
    users: list[str] = Field(description="Who holds handles under it.")
    clients: list[str] = Field(description="Names or addresses of the machines that hold handles under it.")
    paths: list[str] = Field(description="The files that it covers, with their share.")
    handles: int = Field(description="Number of handles under it.")
    waiting: list[str] = Field(
        default_factory=list, description="Who waits for the break that is under way, as far as the server tells."
    )


class LeaseBreak(Input):
    """How a lease is to be broken."""

    keep: Literal["", "R", "RH"] = Field(default="", description="What the client may go on caching.")
    wait_seconds: float = Field(
        default=10.0, ge=0, le=60, description="How long to wait for the client's answer before answering."
    )
    reason: str = Field(default="", max_length=256, description="Why; it goes to the audit log.")


class Lock(Shape):
    """A byte-range lock."""

    id: Id
    open_id: Id = Field(description="The handle that holds it.")
    offset: str = Field(description="First byte; a text, because it may have 64 bits.")
    length: str = Field(description="Number of bytes; a text, because it may have 64 bits.")
    exclusive: bool = Field(description="Nobody else may read the range either.")
    user: str = Field(description="Account name of the holder.")
    share: str = Field(description="Name of the share.")
    path: str = Field(description="Path within the share.")
    client: str = Field(description="Name or address of the machine; empty while it is away.")
    node: str = Field(description="The node that granted it.")


class Node(Shape):
    """A machine that serves SMB, with the version record it announces."""

    id: Id
    name: str = Field(description="Its name.")
    state: Literal["up", "stopping", "down", "silent"] = Field(
        description="`silent` when it should be up but has not been heard of for a while."
    )
    software: str = Field(description="What it runs.")
    version_min: int = Field(description="Oldest record version that it can read.")
    version_max: int = Field(description="Newest record version that it can read.")
    version_current: int = Field(description="Record version that it writes.")
    addresses: list[str] = Field(description="Where it listens.")
    boot_id: str = Field(description="Changes with every start.")
    started_at: Moment = Field(description="When it started.")
    heartbeat_at: Moment = Field(description="When it was last heard of.")
    sessions: int = Field(description="Sessions that it serves.")
    opens: int = Field(description="Open files that it serves.")


class Handle(Shape):
    """One handle that an act would close."""

    id: Id
    path: str = Field(description="Share and path.")
    user: str = Field(description="Who holds it; empty for anonymous.")
    access: str = Field(description="What it may do, in words.")
    last_io_at: Moment = Field(description="When it was last read or written.")
    risk: Literal["safe", "attention", "loss"] = Field(
        description="`loss` when data may exist only on the client; `attention` when it was opened for writing."
    )
    why: str = Field(description="The risk in a sentence.")


class Impact(Shape):
    """What an act would do; nothing was done."""

    sessions_ended: list[Id] = Field(description="Sessions that would end.")
    opens_closed: list[Handle] = Field(description="Handles that would be closed, the riskiest first.")
    summary: str = Field(description="The impact in a sentence.")

    @property
    def may_lose_data(self) -> bool:
        """Whether some client may hold data that is not on the server yet."""
        return any(handle.risk == "loss" for handle in self.opens_closed)


class Done(Shape):
    """What the SMB server has done."""

    closed: int = Field(description="Number of handles that were closed.")
    detail: str = Field(description="What else the server had to say.")


class AwayClient(Shape):
    """A client that the server keeps handles for until it comes back."""

    id: Id
    client_guid: str = Field(description="ClientGuid of its SMB connections.")
    user: Principal = Field(description="Who opened the files.")
    handles: int = Field(description="Number of handles that are kept.")
    persistent: int = Field(description="How many of them are persistent: nobody else gets those files meanwhile.")
    since: Moment = Field(description="When the first of them lost its connection.")
    is_back: bool = Field(description="The user has a session from this client again.")


class Counts(Shape):
    """How much is going on."""

    sessions: int = Field(description="Number of sessions.")
    users: int = Field(description="Number of different users.")
    opens: int = Field(description="Number of open files and directories.")
    waiting: int = Field(description="Number of leases that are being broken.")
    away: int = Field(description="Number of handles that wait for their client to come back.")
