"""One event loop, a bounded number of requests in flight."""

import asyncio

import aiohttp
import common
import uvloop


async def download(session, args, name):
    async with session.get(common.get_url(args.url, name)) as response:
        common.save(args.out, name, await response.read())


async def main():
    args = common.arguments()
    pool = common.TaskPool(args.in_flight)
    left, marker = args.files, ""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        while left > 0:
            async with session.get(common.list_url(args, marker)) as response:
                page = await response.json(content_type=None)
            for name in page["FileNames"][:left]:
                await pool.put(download(session, args, name))
                left -= 1
            marker = page.get("NextFile")
            if not marker:
                break
        await pool.join()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
