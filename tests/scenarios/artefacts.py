"""Everything that people share about an enrolled machine, and the snippets in it that one might run."""

import glob
import json
import os
import re
import subprocess
import tarfile

from holdfast_testing.client import Client
from holdfast_testing.paths import SOURCE, program
from holdfast_testing.traces import files


def help_texts():
    """Of holdfast and each of its commands, however deep, and of holdfastd."""
    texts, waiting = {}, [()]
    while waiting:
        command = waiting.pop()
        shown = subprocess.run([program("holdfast"), *command, "--help"], capture_output=True, text=True, check=True).stdout
        texts[f"help of holdfast {' '.join(command)}"] = shown
        listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", shown, re.MULTILINE)
        waiting += [(*command, name) for name in re.findall(r"^  ([a-z0-9-]+) ", listed[1], re.MULTILINE)] if listed else []
    texts["help of holdfastd"] = subprocess.run([program("holdfastd"), "--help"], capture_output=True, text=True, check=True).stdout
    for shell in ("bash", "zsh", "fish"):
        command = [program("holdfast"), "completion", shell]
        texts[f"completion for {shell}"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return texts


def documents():
    """The API's files, the pages, the sample configuration, the manual."""
    patterns = ("README.md", "docs/*.md", "sdk/API.md", "sdk/openapi.yaml", "packaging/etc/*", "packaging/man/*.md", "examples/*/README.md")
    texts = {}
    for path in (path for pattern in patterns for path in glob.glob(os.path.join(SOURCE, pattern))):
        with open(path, encoding="utf-8") as file:
            texts[os.path.relpath(path, SOURCE)] = file.read()
    return texts


def shown_by_commands(daemon, request_ids):
    """What an administrator pastes: the outputs of every command that shows something."""
    names = [key["name"] for key in json.loads(daemon.cli("--json", "key", "list").stdout)["keys"]]
    commands = [("health",), ("whoami",), ("version",), ("key", "list"), ("jwks",), ("policy", "show", "--config", daemon.config), ("audit", "tail", "-n", "1000")]
    commands += [("key", "show", name) for name in names] + [("--json", "key", "show", name) for name in names]
    commands += [("audit", "request", number) for number in request_ids] + [("--json", "audit", "tail", "-n", "1000")]
    commands += [("policy", "suggest", number, "--config", daemon.config) for number in request_ids]
    texts = {}
    for command in commands:
        done = daemon.cli(*command, check=False)
        texts["holdfast " + " ".join(command)] = done.stdout + done.stderr
    with Client(daemon.metrics_socket) as client:
        texts["metrics"] = client.get("/metrics").content.decode()
    return texts


def support_dump(daemon, texts, folder):
    """What an administrator sends: configuration, state and journal as they are, and the outputs above. Its files."""
    place = os.path.join(folder, "support")
    os.makedirs(place)
    for number, text in enumerate(texts.values()):
        with open(os.path.join(place, f"{number}.txt"), "w", encoding="utf-8") as file:
            file.write(text)
    dump = os.path.join(folder, "support.tar.gz")
    subprocess.run(["tar", "-czf", dump, place, daemon.config, os.path.dirname(daemon.policy), daemon.state, daemon.log], check=True, capture_output=True)
    with tarfile.open(dump) as archive:
        archive.extractall(os.path.join(folder, "unpacked"))
    return files(os.path.join(folder, "unpacked"))[0]


COMMAND = re.compile(r"(?:^|[|;&(]\s*|\$\()(?:sudo (?:-u \w+ )?)?holdfast (?:--json |--socket \S+ )*[a-z]")
# A daemon of the stranger's own, with its own TPM, is no attack on this machine.
OWN = re.compile(r"holdfast dev\b")


def snippets(texts):
    """Each line with a command of holdfast, with the lines that continue it; as one pastes them into a shell."""
    found = set()
    for text in texts.values():
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            line = re.sub(r"^\s*(?:[$#] )?", "", line)
            for code in [line, *re.findall(r"`([^`]+)`", line)]:
                if COMMAND.search(code) and not OWN.search(code):
                    found.add(re.sub(r"\s{2,}(?:#|[a-z]).*$", "", code))
    return sorted(found)


def recorded_requests(daemon):
    """Every signature and token in the audit log, as the request that got it."""
    for record in daemon.audit():
        facts = record["details"].get("facts", [])
        one = dict(facts)
        if record["decision"] == "allowed" and record["operation"] == "sign.sigv4":
            query = "&".join(f"{name[len('query.'):]}={value}" for name, value in facts if name.startswith("query."))
            url = f"https://{one['host']}{one['path']}" + (f"?{query}" if query else "")
            more = {"mode": "query", "expires_in": int(one["expires_in"])} if one["mode"] == "query" else {}
            yield "/v1/sign/sigv4", {"key": record["key"], "region": one["region"], "service": one["service"], "method": one["method"], "url": url, **more}
        elif record["decision"] == "allowed" and record["operation"] == "token.jwt":
            yield "/v1/token/jwt", {"key": record["key"], "audience": one["audience"], "ttl": record["details"]["ttl_seconds"]}
        elif record["decision"] == "allowed" and record["operation"] == "sign.digest":
            yield "/v1/sign/digest", {"key": record["key"], "algorithm": one["algorithm"], "digest": "A" * 43 + "=", "encoding": "der"}
