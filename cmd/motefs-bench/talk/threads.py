"""Threads that take names from a queue, a connection each."""

import queue
import threading

import common
import requests

DONE = None


def worker(args, work, errors):
    failed = False
    with requests.Session() as session:
        while (name := work.get()) is not DONE:
            if failed:
                continue
            try:
                common.download(session, args.url, args.out, name)
            except Exception as e:
                errors.append(e)
                failed = True


def main():
    args = common.arguments()
    work, errors = queue.Queue(maxsize=1000), []
    threads = [threading.Thread(target=worker, args=(args, work, errors)) for _ in range(args.workers)]
    for thread in threads:
        thread.start()
    for name in common.names(args):
        work.put(name)
    for _ in threads:
        work.put(DONE)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


if __name__ == "__main__":
    main()
