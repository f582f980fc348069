from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.errors import BadReply
from smbcore.client.files import attach, connect
from smbcore.client.negotiated import Offer
from smbcore.nt.attributes import FILE_ATTRIBUTE_DIRECTORY
from smbcore.nt.status import NtError, Status
from smbcore.server.listeners.tcp import listen
from tests.memory_server import PASSWORD, USER, make_server

BIG = bytes(range(251)) * 10_000


@pytest.fixture
async def server():
    server = make_server()
    yield server
    await server.close()


async def share_of(server, name="data", offer=None):
    return await attach(server.attach()[0], "nas", name, Initiator(USER, PASSWORD), offer)


@pytest.fixture
async def share(server):
    async with await share_of(server) as share:
        yield share


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302, 0x0311])
@pytest.mark.parametrize("name", ["data", "secret"])
async def test_content_comes_back_whole(server, dialect, name):
    if name == "secret" and dialect < 0x0300:
        pytest.skip("no encryption in this dialect")
    async with await share_of(server, name, Offer(dialects=[dialect])) as share:
        for content in (b"", b"x", BIG):
            await share.write("file.bin", content)
            assert await share.read("file.bin") == content


@pytest.mark.parametrize("dialect", [0x0202, 0x0302, 0x0311])
async def test_everything_works_where_everything_is_signed(dialect):
    server = make_server(signing_required=True)
    async with await share_of(server, offer=Offer(dialects=[dialect])) as share:
        await share.write("file.bin", BIG)
        assert await share.read("file.bin") == BIG
        assert [entry.name for entry in await share.listdir()] == ["file.bin"]
    await server.close()


async def test_over_tcp(server):
    listener = listen(server.server, "127.0.0.1", 0)
    host, port = listener.address
    async with await connect(host, "data", USER, PASSWORD, port=port) as share:
        await share.write("file.bin", BIG)
        assert await share.read("file.bin") == BIG
    listener.close()


async def test_wrong_password_closes_the_connection(server):
    end, connection = server.attach()
    with pytest.raises(NtError) as error:
        await attach(end, "nas", "data", Initiator(USER, "wrong"))
    assert error.value.status is Status.LOGON_FAILURE
    assert end.closed


async def test_unknown_share(server):
    with pytest.raises(NtError) as error:
        await share_of(server, "nothing")
    assert error.value.status is Status.BAD_NETWORK_NAME


async def test_modes(share):
    with pytest.raises(NtError) as error:
        await share.open("file")
    assert error.value.status is Status.OBJECT_NAME_NOT_FOUND
    async with await share.open("file", "x") as file:
        await file.write(0, b"first")
    with pytest.raises(NtError) as error:
        await share.open("file", "x")
    assert error.value.status is Status.OBJECT_NAME_COLLISION
    async with await share.open("file", "r+") as file:
        await file.write(5, b" and more")
        assert await file.read() == b"first and more"
        assert await file.read(6, 3) == b"and"
        assert await file.read(100, 3) == b""
        await file.truncate(5)
        await file.flush()
        assert await file.read(0, 100) == b"first"
    async with await share.open("file", "w") as file:
        assert file.size == 0


async def test_reading_beyond_the_end_of_a_file_that_shrinks(share):
    await share.write("file", BIG)
    async with await share.open("file") as file:
        async with await share.open("file", "r+") as other:
            await other.truncate(1_500_000)
        assert await file.read() == BIG[:1_500_000]


async def test_directories(share):
    await share.mkdir("a")
    await share.mkdir("a/b")
    await share.write("a/b/deep.txt", b"deep")
    await share.write("a\\flat.txt", b"flat")
    with pytest.raises(NtError) as error:
        await share.mkdir("a")
    assert error.value.status is Status.OBJECT_NAME_COLLISION
    with pytest.raises(NtError) as error:
        await share.rmdir("a")
    assert error.value.status is Status.DIRECTORY_NOT_EMPTY
    assert sorted(entry.name for entry in await share.listdir("a")) == ["b", "flat.txt"]
    assert [entry.name for entry in await share.listdir("a", "*.txt")] == ["flat.txt"]
    assert await share.listdir("a", "*.zip") == []
    walked = [(path, [d.name for d in ds], [f.name for f in fs]) async for path, ds, fs in share.walk()]
    assert walked == [("", ["a"], []), ("a", ["b"], ["flat.txt"]), ("a/b", [], ["deep.txt"])]
    await share.remove("a/b/deep.txt")
    await share.rmdir("a/b")
    assert not await share.exists("a/b")
    assert not await share.exists("a/b/c/d")


async def test_long_listings(share):
    await share.mkdir("many")
    names = [f"a rather long name of file number {number:04}" for number in range(600)]
    for name in names:
        await share.write(f"many/{name}", b"")
    assert sorted(entry.name for entry in await share.listdir("many")) == names


async def test_stat(share):
    await share.write("file", b"12345")
    stat = await share.stat("file")
    assert (stat.end_of_file, stat.directory) == (5, False)
    assert stat.creation_time
    assert (await share.stat("")).attributes & FILE_ATTRIBUTE_DIRECTORY


async def test_rename(share):
    await share.write("one", b"1")
    await share.write("two", b"2")
    with pytest.raises(NtError) as error:
        await share.rename("one", "two")
    assert error.value.status is Status.OBJECT_NAME_COLLISION
    await share.rename("one", "two", replace=True)
    assert await share.read("two") == b"1"
    assert not await share.exists("one")


@pytest.mark.parametrize("size", [0, 1, 100_000, (20 << 20) + 7])
async def test_copy_on_the_server(share, size):
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    await share.write("from", content)
    await share.copy("from", "to")
    assert await share.read("to") == content


async def test_answer_without_the_signature_that_the_session_wants(share):
    share.raw.session.sign = True
    for channel in share.raw.connection.channels.values():
        channel.signer = None
    with pytest.raises(BadReply):
        await share.read("file")
    share.raw.session.sign = False


async def test_tampered_negotiation_is_noticed(server):
    """The client remembers another capability than the server sent: somebody was in between."""
    from smbcore.client import files

    share = await share_of(server, offer=Offer(dialects=[0x0302]))
    share.raw.connection.negotiated.response.capabilities ^= 0x40
    with pytest.raises(BadReply):
        await files.validate_negotiation(share.raw)
    await share.close()
