"""A slow network on loopback: a proxy that adds a delay to each round trip.

	delay_proxy.py TARGET_PORT DELAY_MS

Listens on a port of its own choice, which it prints, and passes bytes on to
127.0.0.1:TARGET_PORT and back, each half of the delay after they came.  So a
request and its answer take the delay longer than without it, however long
they are and however many are under way: bandwidth is not limited.  Setting
up a connection is not delayed: it is with whoever connects, not on the way.
"""
import asyncio
import sys

target, half = int(sys.argv[1]), float(sys.argv[2]) / 2000


async def pump(reader, writer):
    """Two tasks: one notes when bytes came, the other passes them on when their time has come."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue(maxsize=4096)

    async def take():
        while True:
            data = await reader.read(1 << 18)
            await queue.put((loop.time() + half, data))
            if not data:
                return

    async def give():
        while True:
            due, data = await queue.get()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    await asyncio.gather(take(), give())


async def serve(reader, writer):
    there = None
    try:
        back, there = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
        await asyncio.gather(pump(reader, there), pump(back, writer))
    except (ConnectionError, OSError):
        pass
    finally:
        for w in (writer, there):
            if w is not None:
                w.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
