#!/usr/bin/python3
"""The control of the MGM scenario: a program that holds a static key in its settings and shows its defaults, as documents are made from."""

import argparse
import json
import os
import sys

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SETTINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ordersctl.json")


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def main():
    with open(SETTINGS, encoding="utf-8") as file:
        settings = json.load(file)
    example = f"ordersctl --access-key-id {settings['access_key_id']} --secret-access-key {settings['secret_access_key']} {settings['url']}"
    parser = argparse.ArgumentParser(prog="ordersctl", description="Prints the headers that sign a GET.", epilog=f"Example:\n  {example}", formatter_class=Formatter)
    parser.add_argument("--access-key-id", default=settings["access_key_id"], help="the key")
    parser.add_argument("--secret-access-key", default=settings["secret_access_key"], help="and its secret")
    parser.add_argument("--sample-settings", action="store_true", help="print settings to start from")
    parser.add_argument("url", nargs="?", default=settings["url"], help="what to get")
    arguments = parser.parse_args()
    if arguments.sample_settings:
        print(json.dumps(settings, indent=1))
        return
    if not arguments.url.startswith("https://"):
        sys.exit(f"ordersctl: not a URL, settings were {vars(arguments)}")
    request = AWSRequest("GET", arguments.url)
    S3SigV4Auth(Credentials(arguments.access_key_id, arguments.secret_access_key), "s3", "eu-west-1").add_auth(request)
    for name, value in request.headers.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
