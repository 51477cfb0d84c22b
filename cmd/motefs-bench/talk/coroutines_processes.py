"""An event loop in each of several processes, fed by a queue of pieces of the listing."""

import asyncio
import multiprocessing
import sys

import aiohttp
import common
import uvloop

DONE = None


async def download(session, args, name):
    async with session.get(common.get_url(args.url, name)) as response:
        common.save(args.out, name, await response.read())


async def download_all(args, work):
    loop = asyncio.get_running_loop()
    pool = common.TaskPool(args.in_flight)
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        while (names := await loop.run_in_executor(None, work.get)) is not DONE:
            for name in names:
                await pool.put(download(session, args, name))
        await pool.join()


def worker(args, work):
    uvloop.install()
    asyncio.run(download_all(args, work))


def main():
    args = common.arguments()
    work = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=worker, args=(args, work)) for _ in range(args.workers)]
    for process in processes:
        process.start()
    for chunk in common.chunks(args):
        work.put(chunk)
    for _ in processes:
        work.put(DONE)
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
