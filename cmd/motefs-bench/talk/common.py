"""What the five approaches share: arguments, the listing, and where a file goes.

The approaches are those of "Downloading a Billion Files in Python"
(J. Saryerwinnie, 2019), written afresh: follow the listing page by page, get
each file, keep each as a file of its own.
"""

import argparse
import asyncio
import itertools
import os
from urllib.parse import quote

import requests


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="the origin")
    parser.add_argument("--out", required=True, help="where the files go")
    parser.add_argument("--files", type=int, required=True, help="how many of the listing")
    parser.add_argument("--workers", type=int, default=1, help="threads, or processes")
    parser.add_argument("--in-flight", type=int, default=64, help="requests at a time of one event loop")
    return parser.parse_args()


def list_url(args, marker):
    url = f"{args.url}/list"
    return f"{url}?next-marker={quote(marker, safe='')}" if marker else url


def get_url(url, name):
    return f"{url}/get/{quote(name)}"


def save(out, name, body):
    with open(os.path.join(out, name), "wb") as f:
        f.write(body)


def pages(args):
    """Yields the names of one page after another, args.files of them in all."""
    left, marker = args.files, ""
    with requests.Session() as session:
        while left > 0:
            response = session.get(list_url(args, marker))
            response.raise_for_status()
            page = response.json()
            names = page["FileNames"][:left]
            left -= len(names)
            yield names
            marker = page.get("NextFile")
            if not marker:
                return


def names(args):
    return itertools.chain.from_iterable(pages(args))


def chunks(args, size=100):
    """Yields the names in pieces small enough to keep every process busy."""
    for page in pages(args):
        for i in range(0, len(page), size):
            yield page[i : i + size]


def download(session, url, out, name):
    response = session.get(get_url(url, name))
    response.raise_for_status()
    save(out, name, response.content)


class TaskPool:
    """Runs coroutines, no more than a number of them at a time."""

    def __init__(self, size):
        self._room = asyncio.Semaphore(size)
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
