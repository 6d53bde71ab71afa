"""Holds replies of the running daemon against sdk/openapi.yaml."""

import functools
import os
import re

import yaml
from jsonschema import Draft202012Validator, RefResolver

from holdfast_testing.paths import SOURCE

FILE = os.path.join(SOURCE, "sdk", "openapi.yaml")


@functools.cache
def document():
    with open(FILE, encoding="utf-8") as file:
        return yaml.safe_load(file)


def resolve(node):
    while "$ref" in node:
        target = document()
        for part in node["$ref"][2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operation(method, target):
    """The operation of a request's path; a literal path goes before a template."""
    path = target.split("?")[0]
    for template in sorted(document()["paths"], key=lambda name: name.count("{")):
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", template))
        if re.fullmatch(pattern, path) and method.lower() in document()["paths"][template]:
            return document()["paths"][template][method.lower()]
    return None


def fault(method, target, reply):
    """Why this reply is not what the document says; empty if it is."""
    described = operation(method, target)
    if described is None:
        return "" if reply.code in ("not_found", "method_not_allowed") else f"{method} {target} is not in openapi.yaml"
    responses = described["responses"]
    status = str(reply.status)
    response = responses.get(status) or responses.get(status[0] + "XX") or responses.get("default")
    if response is None:
        return f"{method} {target} has no response {reply.status} in openapi.yaml"
    content = resolve(response).get("content", {})
    kind = (reply.headers["Content-Type"] or "").split(";")[0]
    if not content:
        return "" if not reply.content else f"{method} {target} {status} should have no content: {reply}"
    if kind not in content:
        return f"{method} {target} {status}: {kind} is none of {sorted(content)}"
    if "schema" not in content[kind] or "json" not in kind:
        return ""
    validator = Draft202012Validator(content[kind]["schema"], resolver=RefResolver("", document()))
    errors = sorted(validator.iter_errors(reply.json), key=lambda error: list(error.path))
    return "".join(f"{method} {target} {status}: {list(error.path)}: {error.message}\n" for error in errors)
