from __future__ import annotations

import json
from pathlib import Path

import pytest

from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.sealing import PlaintextBuffer, Sealer, Unsealer, transform_session_id
from smbcore.wire.transform import TRANSFORM_SIZE, TransformHeader

VECTOR = json.loads((Path(__file__).resolve().parents[3] / "data" / "crypto" / "transform.json").read_text())
CIPHERS = [(1, 16), (2, 16), (3, 32), (4, 32)]
SESSION = 0x1122334455667788
each_cipher = pytest.mark.parametrize("cipher, key_size", CIPHERS)


def pair(cipher, key_size):
    key = bytes(range(key_size))
    return Sealer(cipher, key, SESSION), Unsealer(cipher, key)


@each_cipher
@pytest.mark.parametrize("parts", [[b""], [b"x"], [b"one", bytearray(b"two"), memoryview(b"three")], [bytes(100_000)]])
def test_opened_message_is_what_was_sealed(cipher, key_size, parts):
    sealer, unsealer = pair(cipher, key_size)
    frame = sealer.seal(parts)
    assert len(frame) == TRANSFORM_SIZE + sum(map(len, parts))
    assert bytes(unsealer.open(memoryview(frame))) == b"".join(parts)


@each_cipher
def test_header_names_session_and_size(cipher, key_size):
    frame = pair(cipher, key_size)[0].seal([b"hello"])
    header = TransformHeader.decode(frame)
    assert (header.session_id, header.original_message_size, header.flags) == (SESSION, 5, 1)
    assert transform_session_id(memoryview(frame)) == SESSION


@each_cipher
def test_sealing_in_place_gives_the_same_message(cipher, key_size):
    buffer = bytearray(b"#" * 10 + bytes(TRANSFORM_SIZE) + b"some data" + bytes(16) + b"#" * 10)
    view = pair(cipher, key_size)[0].seal_in_place(buffer, 10 + TRANSFORM_SIZE, 9)
    assert bytes(view) == bytes(pair(cipher, key_size)[0].seal([b"some data"]))
    assert (buffer[:10], buffer[-10:]) == (b"#" * 10, b"#" * 10)


@each_cipher
def test_parts_are_left_alone(cipher, key_size):
    part = bytearray(b"part")
    pair(cipher, key_size)[0].seal([part])
    assert part == b"part"


@each_cipher
def test_every_changed_byte_is_noticed(cipher, key_size):
    sealer, unsealer = pair(cipher, key_size)
    frame = sealer.seal([b"some data"])
    for index in range(4, len(frame)):
        frame[index] ^= 1
        with pytest.raises(ProtocolViolation):
            unsealer.open(memoryview(frame))
        frame[index] ^= 1
    assert bytes(unsealer.open(memoryview(frame))) == b"some data"


@pytest.mark.parametrize("size", range(TRANSFORM_SIZE))
def test_cut_header_is_a_violation(size):
    frame = memoryview(pair(2, 16)[0].seal([b"data"]))[:size]
    with pytest.raises(ProtocolViolation):
        transform_session_id(frame)
    with pytest.raises(ProtocolViolation):
        pair(2, 16)[1].open(frame)


def test_cut_and_lengthened_messages_are_violations():
    frame = bytes(pair(2, 16)[0].seal([b"data"]))
    for wrong in (frame[:-1], frame + b"\0", frame[:TRANSFORM_SIZE]):
        with pytest.raises(ProtocolViolation):
            pair(2, 16)[1].open(memoryview(wrong))


@each_cipher
def test_no_nonce_comes_twice(cipher, key_size):
    sealer, _ = pair(cipher, key_size)
    buffer = bytearray(TRANSFORM_SIZE + 4 + 16)
    frames = [sealer.seal([b"same"]) for _ in range(100)]
    frames += [bytes(sealer.seal_in_place(buffer, TRANSFORM_SIZE, 4)) for _ in range(100)]
    nonces = {TransformHeader.decode(frame).nonce for frame in frames}
    assert len(nonces) == 200
    assert {nonce[11 if cipher in (1, 3) else 12 :] for nonce in nonces} == {bytes(5 if cipher in (1, 3) else 4)}


def test_used_up_nonces_end_the_session():
    sealer, _ = pair(2, 16)
    sealer._counter = 2**64 - 1
    with pytest.raises(ProtocolViolation):
        sealer.seal([b"more"])
    with pytest.raises(ProtocolViolation):
        sealer.seal_in_place(bytearray(100), TRANSFORM_SIZE, 4)


def test_published_300_frame_opens():
    vector = VECTOR["smb300"]
    frame = bytes.fromhex(vector["request_frame"])
    plain = Unsealer(1, bytes.fromhex(vector["c2s_key"])).open(memoryview(frame))
    assert plain.hex().upper() == vector["request"]


def test_plaintext_is_valid_until_the_next_frame_unless_detached():
    buffer = PlaintextBuffer()
    key = bytes(16)
    one, two, sealer = Unsealer(2, key, buffer), Unsealer(2, key, buffer), Sealer(2, key, SESSION)
    kept = one.open(memoryview(sealer.seal([b"kept"])))
    one.detach()
    lost = one.open(memoryview(sealer.seal([b"lost"])))
    assert bytes(two.open(memoryview(sealer.seal([b"next"])))) == b"next"
    assert (bytes(kept), bytes(lost)) == (b"kept", b"next")


def test_many_sessions_hold_one_plaintext_buffer():
    buffer = PlaintextBuffer()
    frame = Sealer(2, bytes(16), SESSION).seal([bytes(1 << 20)])
    views = [Unsealer(2, bytes(16), buffer).open(memoryview(frame)) for _ in range(5)]
    assert len({id(view.obj) for view in views}) == 1


@each_cipher
def test_owner_of_a_key_hears_once_that_it_has_done_its_part(cipher, key_size):
    key, told = bytes(key_size), []
    sealer = Sealer(cipher, key, SESSION, 3000, lambda: told.append("sealed"))
    unsealer = Unsealer(cipher, key, None, 3000, lambda: told.append("opened"))
    for _ in range(2):
        unsealer.open(memoryview(sealer.seal([bytes(1000)])))
    assert not told
    for _ in range(3):  # what is under way goes on
        assert bytes(unsealer.open(memoryview(sealer.seal([b"one more".ljust(1000)]))))[:8] == b"one more"
    assert told == ["sealed", "opened"]


def test_empty_messages_wear_a_key_out_too():
    told = []
    sealer = Sealer(2, bytes(16), SESSION, 1280, lambda: told.append(1))
    for _ in range(10):
        sealer.seal([b""])
    assert not told
    sealer.seal([b""])
    assert told


def test_a_key_that_goes_on_and_on_is_refused():
    key = bytes(16)
    sealer, unsealer, plenty = Sealer(2, key, SESSION), Unsealer(2, key), 2**32
    frame = sealer.seal([b"x"])
    sealer._left = unsealer._left = -plenty
    with pytest.raises(ProtocolViolation):
        sealer.seal([b"x"])
    with pytest.raises(ProtocolViolation):
        unsealer.open(memoryview(frame))


def test_forged_messages_do_not_wear_a_key_out():
    told = []
    unsealer = Unsealer(2, bytes(16), None, 3000, lambda: told.append(1))
    frame = Sealer(2, b"another key 1234", SESSION).seal([bytes(1000)])
    for _ in range(5):
        with pytest.raises(ProtocolViolation):
            unsealer.open(memoryview(frame))
    assert not told
