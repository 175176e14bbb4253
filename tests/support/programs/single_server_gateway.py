"""Stand in for the gateway before Azure's single server: it demands and takes away `@SERVER`.

usage: single_server_gateway.py PORT SERVER CERTIFICATE KEY

Runs on the host of a PostgreSQL that answers on loopback. Of the gateway it imitates only this
rule for login names and that TLS ends here.
"""

import asyncio
import ssl
import struct
import sys

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL, "Message Formats"


def server_side(startup: bytes, server: str) -> bytes | None:
    """Return a startup message with the role's own name; None when the login names no server."""
    words = startup[8:].rstrip(b"\0").split(b"\0")
    options = dict(zip(words[::2], words[1::2], strict=True))
    role, at, name = options[b"user"].partition(b"@")
    if not at or name != server.encode():
        return None
    options[b"user"] = role
    body = b"".join(key + b"\0" + value + b"\0" for key, value in options.items()) + b"\0"
    return struct.pack("!i", len(body) + 8) + startup[4:8] + body


def refusal() -> bytes:
    text = "Invalid Username specified. The Username should be in <username@hostname> format."
    fields = b"SFATAL\0C28000\0M" + text.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        pass  # one side is gone, so the other's end comes next
    finally:
        target.close()


class Gateway:
    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self.server = server
        self.context = context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != SSL_REQUEST:
            writer.close()
            return
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self.context)
        length = await reader.readexactly(4)
        startup = length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)
        wanted = server_side(startup, self.server)
        if wanted is None:
            writer.write(refusal())
            await writer.drain()
            writer.close()
            return
        answers, requests = await asyncio.open_connection("127.0.0.1", 5432)
        requests.write(wanted)
        await asyncio.gather(copy(reader, requests), copy(answers, writer))


async def main(port: str, server: str, certificate: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listener = await asyncio.start_server(Gateway(server, context).serve, "0.0.0.0", int(port))
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
