"""A radio station for measurements: sends an MP3 of constant bit rate over HTTP, in real time, over and over, to any number of
listeners: ``python figures/upstream.py FILE BYTES_PER_SECOND``. Prints its port."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

BURST_S = 4.0
PIECE_S = 0.25


async def serve(data: bytes, rate: int) -> None:
    """Listens until it is killed."""

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: Measured\r\n\r\n")
            began, sent = time.monotonic() - BURST_S, 0
            while True:
                due = int((time.monotonic() - began) * rate)
                while sent < due:
                    at = sent % len(data)
                    piece = data[at : at + min(due - sent, len(data) - at)]
                    writer.write(piece)
                    sent += len(piece)
                await writer.drain()
                await asyncio.sleep(PIECE_S)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
