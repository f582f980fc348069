"""Message-mode pipes."""

from struct import pack

import pytest
from rpc_peers import FakeContext, open_pipe
from test_connection import SRVSVC, TIME_OF_DAY, bind, request

from smbcore.nt.status import NtError, Status
from smbcore.rpc import pdu
from smbcore.rpc.pipes import MAX_UNREAD, PipeRegistry

BIND = bind((0, SRVSVC, (pdu.NDR,)))
LIST_SHARES = request(15, pack("<IIIIIIII", 0, 1, 1, 1, 0, 0, 0xFFFF_FFFF, 0))


@pytest.mark.parametrize("name", ["srvsvc", "SRVSVC", "wkssvc", "lsarpc", "lsass", "samr"])
def test_pipes_are_found_by_their_names(name: str):
    assert PipeRegistry().open(name, FakeContext()) is not None


@pytest.mark.parametrize("name", ["", "spoolss", "\\srvsvc", "pipe\\srvsvc", "srvsvc\\x", "pipe"])
def test_other_pipes_do_not_exist(name: str):
    assert PipeRegistry().open(name, FakeContext()) is None


def test_transceive_gives_one_message():
    pipe = open_pipe("srvsvc")
    data, more = pipe.transceive(BIND, 4280)
    assert (data[2], more) == (pdu.PacketType.BIND_ACK, False)
    assert pipe.available() == 0


def test_a_small_read_leaves_the_rest_of_the_message():
    pipe = open_pipe("srvsvc")
    pipe.write(BIND)
    length = pipe.available()
    first, more = pipe.read(10)
    assert (len(first), more) == (10, True)
    assert pipe.available() == length - 10
    rest, more = pipe.read(4280)
    assert (len(rest), more) == (length - 10, False)
    assert pipe.unread == 0


def test_reads_do_not_cross_messages():
    pipe = open_pipe("srvsvc")
    pipe.write(BIND + request(28, TIME_OF_DAY))
    assert pipe.read(65536)[0][2] == pdu.PacketType.BIND_ACK
    assert pipe.read(65536)[0][2] == pdu.PacketType.RESPONSE
    assert pipe.read(65536) == (b"", False)


def test_transceive_with_an_unread_reply_is_pipe_busy():
    pipe = open_pipe("srvsvc")
    pipe.write(BIND)
    with pytest.raises(NtError) as caught:
        pipe.transceive(request(28, TIME_OF_DAY), 100)
    assert caught.value.status is Status.PIPE_BUSY


def test_transceive_of_half_a_request_has_no_answer_yet():
    pipe = open_pipe("srvsvc")
    pipe.transceive(BIND, 4280)
    assert pipe.transceive(request(28, TIME_OF_DAY)[:20], 100) == (b"", False)


def test_a_broken_stream_breaks_the_pipe():
    pipe = open_pipe("srvsvc")
    with pytest.raises(NtError) as caught:
        pipe.write(b"\xff" * 16)
    assert caught.value.status is Status.PIPE_BROKEN
    for act in (lambda: pipe.write(BIND), lambda: pipe.read(10)):
        with pytest.raises(NtError) as caught:
            act()
        assert caught.value.status is Status.PIPE_DISCONNECTED


def test_replies_that_nobody_reads_break_the_pipe():
    pipe = open_pipe("srvsvc", FakeContext(extra_shares=1000))
    pipe.write(BIND)
    with pytest.raises(NtError) as caught:
        pipe.write(LIST_SHARES * 1000)
    assert caught.value.status is Status.PIPE_BROKEN
    assert pipe.unread <= MAX_UNREAD


def test_a_closed_pipe_is_disconnected():
    pipe = open_pipe("srvsvc")
    pipe.close()
    with pytest.raises(NtError) as caught:
        pipe.write(BIND)
    assert caught.value.status is Status.PIPE_DISCONNECTED
