"""A TCP relay that breaks connections on demand: cut, reset, stalled."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field


@dataclass(eq=False)
class Pair:
    """One relayed connection; `flowing` cleared stalls it, `answering` cleared holds back what goes to the client."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self, *, reset: bool = False) -> None:
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if reset and sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own and relays to `target`."""

    def __init__(self, target: int, dice: random.Random):
        self.target = target
        self.dice = dice
        self.pairs: set[Pair] = set()
        self.port = 0
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for pair in list(self.pairs):
            pair.close()

    def disturb(self) -> bool:
        """Do something to a connection picked at random; tell whether there was one."""
        if not self.pairs:
            return False
        pair = self.dice.choice(sorted(self.pairs, key=id))
        what = self.dice.random()
        if what < 0.4:
            pair.close()
        elif what < 0.8:
            pair.close(reset=True)
        else:
            pair.flowing.clear()
            asyncio.get_running_loop().call_later(self.dice.uniform(0.1, 1.5), pair.flowing.set)
        return True

    def mute(self) -> None:
        """From now on clients hear nothing, though the server hears them."""
        for pair in self.pairs:
            pair.answering.clear()

    def drop(self) -> None:
        """Cut everything; what was held back is never heard."""
        for pair in list(self.pairs):
            pair.close()
            pair.answering.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair([writer])
        pair.flowing.set()
        pair.answering.set()
        self.pairs.add(pair)
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
            pair.writers.append(back)
            await asyncio.gather(self._relay(pair, reader, back), self._relay(pair, onward, writer))
        except OSError:
            pass
        finally:
            self.pairs.discard(pair)
            pair.close()

    async def _relay(self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await pair.flowing.wait()
            if writer is pair.writers[0]:
                await pair.answering.wait()
            writer.write(data)
            await writer.drain()
        pair.close()
