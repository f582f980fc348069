"""The tables, as SQLAlchemy Core.

Three groups share one `metadata`:

* volatile records that mirror the memory of a core process: version, session, tcon, open, lease, byte_range;
* configuration: share, share_access, account, group_, membership, setting, token, web_session, setup_code;
* history: audit, outbox, and the counter that numbers the outbox without gaps.

Volatile rows carry node_id and boot_id, so that a restarted node knows its own leftovers, and `seq`, the
outbox number of their last change.  They have no foreign keys among each other: the write-behind mirror may
store a tree connect before its session, and a durable open outlives both.

Names that people type are unique without regard to case through a `name_key` column (`str.casefold`),
because the two databases fold case differently.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

from smbcore.state.types import Unsigned64, UTCDateTime, WireText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a column of exactly type INTEGER.
_ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

version = Table(
    "version",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("version_min", Integer, nullable=False),
    Column("version_max", Integer, nullable=False),
    Column("version_current", Integer, nullable=False),
    Column("software", Text, nullable=False),
    Column("addresses", JSON, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("heartbeat_at", UTCDateTime, nullable=False),
    Column("state", Text, nullable=False),  # up | stopping | down
)

session = Table(
    "session",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("wire_id", Unsigned64, nullable=False),
    Column("user", WireText, nullable=False),
    Column("user_sid", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("client_name", WireText, nullable=False),
    Column("client_guid", Text, nullable=False),
    Column("dialect", Text, nullable=False),  # "3.1.1"
    Column("signing", Text, nullable=False),  # "AES-128-GMAC", "" when nothing is signed
    Column("signing_required", Boolean, nullable=False),
    Column("encryption", Text, nullable=False),  # cipher, "" when nothing is encrypted
    Column("auth", Text, nullable=False),  # "ntlm", "kerberos", ...
    Column("guest", Boolean, nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("last_active_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("opens", Integer, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "node_id", "boot_id"),
)

tcon = Table(
    "tcon",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("session_key", BigInteger, nullable=False, index=True),
    Column("wire_id", BigInteger, nullable=False),
    Column("share", WireText, nullable=False),
    Column("share_path", Text, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    Column("access", BigInteger, nullable=False),
    Column("opens", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "node_id", "boot_id"),
)

open_ = Table(
    "open",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("session_key", BigInteger, index=True),
    Column("tcon_key", BigInteger, index=True),
    Column("persistent_id", Unsigned64, nullable=False),
    Column("volatile_id", Unsigned64, nullable=False),
    Column("share", WireText, nullable=False),
    Column("path", WireText, nullable=False),  # relative to the share, separated by backslashes
    Column("stream", WireText, nullable=False),
    Column("is_directory", Boolean, nullable=False),
    Column("access", BigInteger, nullable=False),
    Column("share_mode", Integer, nullable=False),
    Column("create_options", BigInteger, nullable=False),
    Column("oplock", Text, nullable=False),  # "" | II | exclusive | batch | lease
    Column("lease_key", Text),  # 32 hex digits
    Column("lease_state", Text, nullable=False),  # subset of "RWH"
    Column("delete_pending", Boolean, nullable=False),
    Column("durable", Text, nullable=False),  # "" | durable | persistent | resilient
    Column("timeout_ms", BigInteger, nullable=False),
    Column("disconnected_at", UTCDateTime),
    Column("client_guid", Text, nullable=False),
    Column("create_guid", Text),
    Column("owner_sid", Text, nullable=False),
    Column("app_instance_id", Text),
    Column("file_key", Text, nullable=False, index=True),
    Column("locks", Integer, nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),
    Column("last_io_at", UTCDateTime, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("bytes_written", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("doc", JSON, nullable=False),
    Index(None, "node_id", "boot_id"),
    Index(None, "persistent_id"),
)

lease = Table(
    "lease",
    metadata,
    Column("client_guid", Text, primary_key=True),
    Column("lease_key", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("file_key", Text, nullable=False),
    Column("parent_key", Text),
    Column("state", Text, nullable=False),
    Column("breaking_to", Text),  # null while no break is under way
    Column("epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "node_id", "boot_id"),
)

byte_range = Table(
    "byte_range",
    metadata,
    Column("open_key", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", Unsigned64, primary_key=True, autoincrement=False),
    Column("length", Unsigned64, primary_key=True, autoincrement=False),
    Column("exclusive", Boolean, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "node_id", "boot_id"),
)

share = Table(
    "share",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("kind", Text, nullable=False),  # disk | pipe
    Column("purpose", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("browsable", Boolean, nullable=False),
    Column("encrypt", Boolean, nullable=False),
    Column("abe", Boolean, nullable=False),  # access based enumeration
    Column("continuously_available", Boolean, nullable=False),
    Column("guest_ok", Boolean, nullable=False),
    Column("options", JSON, nullable=False),  # see configuration.ShareOptions
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
)

share_access = Table(
    "share_access",
    metadata,
    Column(
        "share_id",
        _ROW_ID,
        ForeignKey("share.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("principal", Text, primary_key=True),  # user:NAME | group:NAME | everyone | a SID
    Column("level", Text, nullable=False),  # read | change | full | deny
)

account = Table(
    "account",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("full_name", Text, nullable=False),
    Column("sid", Text, nullable=False, unique=True),
    Column("nt_hash_encrypted", LargeBinary),
    Column("web_password_hash", Text),
    Column("role", Text, nullable=False),  # administrator | user
    Column("enabled", Boolean, nullable=False),
    Column("signing_required", Boolean, nullable=False, server_default=false()),
    Column("encryption_required", Boolean, nullable=False, server_default=false()),
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("last_sign_in_at", UTCDateTime),
)

group_ = Table(
    "group_",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("sid", Text, nullable=False, unique=True),
    Column("comment", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
)

membership = Table(
    "membership",
    metadata,
    Column(
        "group_id",
        _ROW_ID,
        ForeignKey("group_.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "account_id",
        _ROW_ID,
        ForeignKey("account.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column(
        "account_id",
        _ROW_ID,
        ForeignKey("account.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("last_used_at", UTCDateTime),
)

web_session = Table(
    "web_session",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column(
        "account_id",
        _ROW_ID,
        ForeignKey("account.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("csrf", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("last_seen_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("address", Text, nullable=False),
)

setup_code = Table(
    "setup_code",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("at", UTCDateTime, nullable=False, index=True),
    Column("actor", WireText, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", WireText, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UTCDateTime, nullable=False),
    Column("topic", Text, nullable=False),
    Column("kind", Text, nullable=False),  # added | changed | removed
    Column("key", WireText, nullable=False),
    Column("node_id", Text, nullable=False),
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
