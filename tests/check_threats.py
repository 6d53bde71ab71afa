#!/usr/bin/env python3
"""Each test that docs/threats.md names has to exist and be registered with ctest: check_threats.py BUILD

A row of the table is | # | threat | answer | tests |, and its tests are `unit_NAME:Suite.Test` or
`e2e/test_FILE.py::test_name`.
"""

import functools
import json
import os
import re
import subprocess
import sys

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
TESTS = re.compile(r"`((?:unit|contract)_\w+:[\w/]+\.[\w/*]+|e2e/test_\w+\.py::\w+)`")


def rows():
    """Number and named tests of each row."""
    with open(os.path.join(SOURCE, "docs", "threats.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("|") and len(cells) >= 4 and cells[0].isdigit():
                yield int(cells[0]), TESTS.findall(cells[-1]), cells[-1]


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
    if test.startswith("e2e/"):
        file, name = test.split("::")
        target = "e2e_" + os.path.basename(file)[len("test_") : -len(".py")]
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
    if not seen:
        faults.append("docs/threats.md has no table of rows")
    for line in faults:
        print(line)
    print(f"{len(seen)} rows, {count} tests named, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
