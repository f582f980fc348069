"""Whatever a peer sends, a decoder returns a value or raises WireError."""

from __future__ import annotations

import inspect
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smbcore.nt import security, sid
from smbcore.nt.errors import WireError
from smbcore.nt.info import buffers, directory, ea, file, fs, fsctl, interfaces, links, notify, quota, rename, reparse

MODULES = (sid, file, fs, fsctl, links, notify, quota, rename, reparse, interfaces, ea)


def _decoders():
    yield "SecurityDescriptor", security.SecurityDescriptor.decode
    yield "Acl", security.Acl.decode
    for info_class in sorted(directory.CLASSES):
        yield f"directory-{info_class}", lambda data, c=info_class: directory.decode_entries(c, data)
    for module in MODULES:
        for name, member in vars(module).items():
            if inspect.isclass(member) and member.__module__ == module.__name__ and hasattr(member, "decode"):
                if not name.startswith("_"):
                    yield f"{module.__name__}.{name}", member.decode
            elif name.startswith("decode_") and inspect.isfunction(member):
                yield f"{module.__name__}.{name}", member


DECODERS = dict(_decoders())

# Small numbers in the places of lengths and offsets reach further than random bytes do.
_WORDS = st.one_of(st.integers(0, 64), st.sampled_from([0x8004, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xA000000C]))
HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.lists(_WORDS, max_size=50).map(lambda words: b"".join(w.to_bytes(4, "little") for w in words)),
    st.lists(st.integers(0, 40), max_size=90).map(lambda words: b"".join(w.to_bytes(2, "little") for w in words)),
)


def test_the_search_finds_the_decoders():
    assert len(DECODERS) > 70
    assert "smbcore.nt.info.ea.decode_attributes" in DECODERS


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=60, deadline=None)
@given(data=HOSTILE)
def test_only_wire_errors(name, data):
    with suppress(WireError):
        DECODERS[name](data)


@given(data=st.binary(max_size=64))
def test_any_even_number_of_bytes_is_a_name_that_survives(data):
    data = data[: len(data) // 2 * 2]
    assert buffers.to_utf16(buffers.utf16(data, 0, len(data))) == data
