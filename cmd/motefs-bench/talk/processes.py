"""Processes that are given pieces of the listing, a connection each."""

from concurrent.futures import ProcessPoolExecutor

import common
import requests

session = None


def connect():
    global session
    session = requests.Session()


def download_all(url, out, names):
    for name in names:
        common.download(session, url, out, name)


def main():
    args = common.arguments()
    with ProcessPoolExecutor(args.workers, initializer=connect) as executor:
        futures = [executor.submit(download_all, args.url, args.out, chunk) for chunk in common.chunks(args)]
        for future in futures:
            future.result()


if __name__ == "__main__":
    main()
