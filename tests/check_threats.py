#!/usr/bin/env python3
"""Each test that docs/threats.md and docs/scenarios.md name has to exist and be registered with ctest: check_threats.py BUILD

A row of the first's table is | # | threat | answer | tests |, of the second's | breach | what is shown | tests |; tests are
`unit_NAME:Suite.Test`, `e2e/test_FILE.py::test_name` or `scenarios/test_FILE.py::test_name`.
"""

import functools
import json
import os
import re
import subprocess
import sys

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
TESTS = re.compile(r"`((?:unit|contract)_\w+:[\w/]+\.[\w/*]+|(?:e2e|scenarios)/test_\w+\.py::\w+)`")


BREACHES = ("Imperva", "MGM", "Ledger", "Peloton", "Travis CI")


def rows():
    """Number or breach, and named tests, of each row."""
    for page in ("threats.md", "scenarios.md"):
        with open(os.path.join(SOURCE, "docs", page), encoding="utf-8") as file:
            for line in file:
                cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
                if line.startswith("|") and len(cells) >= 3 and (cells[0].isdigit() or cells[0] in BREACHES):
                    yield cells[0], TESTS.findall(cells[-1]), cells[-1]


def registered(build):
    ctest = os.environ.get("HOLDFAST_CTEST", "ctest")
    shown = subprocess.run([ctest, "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True, text=True)
    return {test["name"]: test["command"] for test in json.loads(shown.stdout)["tests"] if "command" in test}


@functools.cache
def programs_tests(program):
    """Suite.Test of a GoogleTest program."""
    shown = subprocess.run([program, "--gtest_list_tests"], check=True, capture_output=True, text=True)
    suite, found = "", set()
    for line in shown.stdout.splitlines():
        name = line.split("#")[0].rstrip()
        if name.startswith(" "):
            found.add(suite + name.strip())
        else:
            suite = name
    return found


def fault(test, tests):
    """Why a named test does not count; empty if it does."""
    if "::" in test:
        file, name = test.split("::")
        target = os.path.dirname(file) + "_" + os.path.basename(file)[len("test_") : -len(".py")]
        if target not in tests:
            return f"{target} is not registered with ctest"
        with open(os.path.join(SOURCE, "tests", file), encoding="utf-8") as content:
            if not re.search(rf"^def {name}\(", content.read(), re.MULTILINE):
                return f"tests/{file} has no {name}"
        return ""
    target, name = test.split(":")
    if target not in tests:
        return f"{target} is not registered with ctest"
    if not any(name == one or name in one.split("/") or one.startswith(name + "/") for one in programs_tests(tests[target][0])):
        return f"{target} has no {name}"
    return ""


def main():
    tests = registered(sys.argv[1])
    faults, count, seen = [], 0, []
    for number, named, cell in rows():
        seen.append(number)
        if not named:
            faults.append(f"row {number} names no test: {cell}")
        for test in named:
            count += 1
            why = fault(test, tests)
            if why:
                faults.append(f"row {number}: {why}")
    if not set(BREACHES) < set(seen) or "1" not in seen:
        faults.append("docs/threats.md has no row 1, or docs/scenarios.md not every breach")
    for line in faults:
        print(line)
    print(f"{len(seen)} rows, {count} tests named, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
