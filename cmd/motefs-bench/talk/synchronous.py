"""One request after the other, over one connection."""

import common
import requests


def main():
    args = common.arguments()
    with requests.Session() as session:
        for name in common.names(args):
            common.download(session, args.url, args.out, name)


if __name__ == "__main__":
    main()
