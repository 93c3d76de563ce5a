"""A server that speaks Redis' protocol and answers what a test wants: for what no real Redis does to order."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

import hiredis

Answer = Callable[[list[bytes]], bytes | None]
"""From a command's words to the bytes of the reply; None: say nothing."""

HANG_UP = b"hang up"
"""An answer that is none: the connection is reset."""


def ok(words: list[bytes]) -> bytes:
    """Agrees to everything."""
    del words
    return b"+OK\r\n"


class FakeServer:
    """Greets like a Redis, and leaves every other answer to the test."""

    def __init__(self, answer: Answer = ok, greeting: bytes | None = b"%1\r\n+proto\r\n:3\r\n") -> None:
        self.answer = answer
        self.greeting = greeting
        self.commands: list[list[bytes]] = []
        """All commands so far but those of the greeting."""
        self.reads: list[int] = []
        """How many commands each read from a connection brought."""
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        return len(self._writers)

    def hang_up(self) -> None:
        """Resets all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def break_off(self) -> None:
        """Ends all connections with a TCP reset."""
        for writer in self._writers:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        parser = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                commands: list[list[bytes]] = []
                while (words := parser.gets()) is not False:
                    commands.append(words)
                self._note(commands)
                for words in commands:
                    reply = self._reply(words)
                    if reply is HANG_UP:
                        writer.transport.abort()
                        return
                    writer.write(reply or b"")
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _note(self, commands: list[list[bytes]]) -> None:
        commands = [words for words in commands if words[0] not in {b"HELLO", b"CLIENT", b"SELECT", b"AUTH"}]
        if commands:
            self.commands += commands
            self.reads.append(len(commands))

    def _reply(self, words: list[bytes]) -> bytes | None:
        if words[0] == b"HELLO":
            return self.greeting
        return b"+OK\r\n" if words[0] in {b"CLIENT", b"SELECT"} else self.answer(words)
