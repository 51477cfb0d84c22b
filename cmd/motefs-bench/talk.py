"""The five approaches of "Downloading a Billion Files in Python" (J. Saryerwinnie,
2019), written afresh: follow the listing page by page, get each file, keep each
as a file of its own.
"""

import asyncio
import itertools
import os
import queue
import sys
import threading
from urllib.parse import quote

import requests

DONE = None


def list_url(marker):
    return f"{url}/list?next-marker={quote(marker, safe='')}" if marker else f"{url}/list"


def get_url(name):
    return f"{url}/get/{quote(name)}"


def save(name, body):
    with open(os.path.join(out, name), "wb") as f:
        f.write(body)


def pages():
    """Yields the names of one page after another, as many as are wanted."""
    left, marker = files, ""
    with requests.Session() as session:
        while left > 0:
            response = session.get(list_url(marker))
            response.raise_for_status()
            page = response.json()
            names = page["FileNames"][:left]
            left -= len(names)
            yield names
            marker = page.get("NextFile")
            if not marker:
                return


def chunks(size=100):
    """Yields the names in pieces small enough to keep every process busy."""
    for page in pages():
        for i in range(0, len(page), size):
            yield page[i : i + size]


def download(session, name):
    response = session.get(get_url(name))
    response.raise_for_status()
    save(name, response.content)


def fail(error):
    print(repr(error), file=sys.stderr, flush=True)
    os._exit(1)


def synchronous():
    """One request after the other, over one connection."""
    with requests.Session() as session:
        for name in itertools.chain.from_iterable(pages()):
            download(session, name)


def threads():
    """Threads that take names from a queue, a connection each."""
    work = queue.Queue(maxsize=1000)

    def worker():
        with requests.Session() as session:
            for name in iter(work.get, DONE):
                download(session, name)

    threading.excepthook = lambda thread: fail(thread.exc_value)
    running = [threading.Thread(target=worker, daemon=True) for _ in range(workers)]
    for thread in running:
        thread.start()
    for name in itertools.chain(itertools.chain.from_iterable(pages()), [DONE] * workers):
        work.put(name)
    for thread in running:
        thread.join()


def connect():
    global connection
    connection = requests.Session()


def download_all(names):
    for name in names:
        download(connection, name)


def processes():
    """Processes that are given pieces of the listing, a connection each."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, initializer=connect) as executor:
        for future in [executor.submit(download_all, chunk) for chunk in chunks()]:
            future.result()


class TaskPool:
    """Runs coroutines, in_flight of them at a time."""

    def __init__(self):
        self._room = asyncio.Semaphore(in_flight)
        self._tasks = set()

    async def put(self, coroutine):
        await self._room.acquire()
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task):
        self._tasks.discard(task)
        if task.exception():
            fail(task.exception())
        self._room.release()

    async def join(self):
        while self._tasks:
            await asyncio.wait(set(self._tasks))


def in_event_loop(download_all):
    """Runs download_all(session, pool) in an event loop."""

    async def main():
        pool = TaskPool()
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await download_all(session, pool)
            await pool.join()

    uvloop.install()
    asyncio.run(main())


async def download_later(session, name):
    async with session.get(get_url(name)) as response:
        save(name, await response.read())


def coroutines():
    """One event loop, a bounded number of requests in flight."""

    async def download_all(session, pool):
        left, marker = files, ""
        while left > 0:
            async with session.get(list_url(marker)) as response:
                page = await response.json(content_type=None)
            for name in page["FileNames"][:left]:
                await pool.put(download_later(session, name))
                left -= 1
            marker = page.get("NextFile")
            if not marker:
                break

    in_event_loop(download_all)


def coroutines_processes():
    """An event loop in each of several processes, fed by a queue of pieces of the listing."""
    import multiprocessing

    work = multiprocessing.Queue()

    async def download_all(session, pool):
        loop = asyncio.get_running_loop()
        while (names := await loop.run_in_executor(None, work.get)) is not DONE:
            for name in names:
                await pool.put(download_later(session, name))

    running = [multiprocessing.Process(target=in_event_loop, args=(download_all,), daemon=True) for _ in range(workers)]
    for process in running:
        process.start()
    for chunk in itertools.chain(chunks(), [DONE] * workers):
        work.put(chunk)
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        raise SystemExit(1)


if __name__ == "__main__":
    approach, url, out, files, workers, in_flight = sys.argv[1:]
    files, workers, in_flight = int(files), int(workers), int(in_flight)
    if approach.startswith("coroutines"):
        import aiohttp
        import uvloop
    globals()[approach]()
