#!/usr/bin/env python3
"""Seeds from the published vectors: vectors.py VECTORS FOLDER writes into FOLDER/TARGET/vectors.

The vectors are not copied into the project; tests/fuzz/run reads them where they are.
"""
import base64
import json
import pathlib
import sys


def sigv4_seed(folder):
    context = json.loads((folder / "context.json").read_text())
    head, _, body = (folder / "request.txt").read_text().partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ", 1)
    headers = [line.split(":", 1) for line in lines if ":" in line]
    host = next((value for name, value in headers if name.lower() == "host"), "h")
    region = {"region_set": [context["region"]]} if folder.parent.name == "v4a" else {"region": context["region"]}
    return {
        "key": "k", **region, "service": context["service"], "method": method,
        "url": "https://" + host + target.rsplit(" ", 1)[0],
        "headers": [[name, value] for name, value in headers if name.lower() != "x-amz-date"],
        "time": context["timestamp"], "normalize_path": context["normalize"],
        "body": base64.b64encode(body.encode()).decode(),
    }


def write(folder, target, name, data):
    place = folder / target / "vectors"
    place.mkdir(parents=True, exist_ok=True)
    (place / (name)).write_bytes(data)


def main(vectors, folder):
    for request in sorted((vectors / "aws-sigv4-c-auth").glob("tests/*/v4*/*/request.txt")):
        seed = sigv4_seed(request.parent)
        write(folder, "sigv4", request.parent.parent.name + "-" + request.parent.name, json.dumps(seed).encode())
        write(folder, "uri", request.parent.name, seed["url"].encode())
    for text in sorted(vectors.rglob("*.json")):
        if text.stat().st_size <= 16384:
            write(folder, "json", text.name, text.read_bytes())


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
