"""The five approaches of "Downloading a Billion Files in Python" (J. Saryerwinnie,
2019), written afresh: follow the listing page by page, get each file, keep each
as a file of its own.
"""

import argparse
import asyncio
import itertools
import os
import queue
import threading
from urllib.parse import quote

import requests

DONE = None


def list_url(marker):
    return f"{args.url}/list?next-marker={quote(marker, safe='')}" if marker else f"{args.url}/list"


def get_url(name):
    return f"{args.url}/get/{quote(name)}"


def save(name, body):
    with open(os.path.join(args.out, name), "wb") as f:
        f.write(body)


def pages():
    """Yields the names of one page after another, args.files of them in all."""
    left, marker = args.files, ""
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


def synchronous():
    """One request after the other, over one connection."""
    with requests.Session() as session:
        for name in itertools.chain.from_iterable(pages()):
            download(session, name)


def threads():
    """Threads that take names from a queue, a connection each."""
    work, errors = queue.Queue(maxsize=1000), []

    def worker():
        failed = False
        with requests.Session() as session:
            while (name := work.get()) is not DONE:
                if failed:
                    continue
                try:
                    download(session, name)
                except Exception as e:
                    errors.append(e)
                    failed = True

    workers = [threading.Thread(target=worker) for _ in range(args.workers)]
    for thread in workers:
        thread.start()
    for name in itertools.chain(itertools.chain.from_iterable(pages()), [DONE] * args.workers):
        work.put(name)
    for thread in workers:
        thread.join()
    if errors:
        raise errors[0]


def connect():
    global connection
    connection = requests.Session()


def download_all(names):
    for name in names:
        download(connection, name)


def processes():
    """Processes that are given pieces of the listing, a connection each."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(args.workers, initializer=connect) as executor:
        for future in [executor.submit(download_all, chunk) for chunk in chunks()]:
            future.result()


class TaskPool:
    """Runs coroutines, args.in_flight of them at a time."""

    def __init__(self):
        self._room = asyncio.Semaphore(args.in_flight)
        self._tasks = set()
        self._error = None

    async def put(self, coroutine):
        await self._room.acquire()
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task):
        self._tasks.discard(task)
        self._error = self._error or task.exception()
        self._room.release()

    async def join(self):
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._error:
            raise self._error


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
        left, marker = args.files, ""
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

    workers = [multiprocessing.Process(target=in_event_loop, args=(download_all,)) for _ in range(args.workers)]
    for process in workers:
        process.start()
    for chunk in itertools.chain(chunks(), [DONE] * args.workers):
        work.put(chunk)
    for process in workers:
        process.join()
    if any(process.exitcode for process in workers):
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("approach", choices=["synchronous", "threads", "processes", "coroutines", "coroutines_processes"])
    parser.add_argument("--url", required=True, help="the origin")
    parser.add_argument("--out", required=True, help="where the files go")
    parser.add_argument("--files", type=int, required=True, help="how many of the listing")
    parser.add_argument("--workers", type=int, default=1, help="threads, or processes")
    parser.add_argument("--in-flight", type=int, default=64, help="requests at a time of one event loop")
    args = parser.parse_args()
    if args.approach.startswith("coroutines"):
        import aiohttp
        import uvloop
    globals()[args.approach]()
