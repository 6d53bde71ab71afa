"""What a program or library is linked with: read from the file, and from what the build noted."""

import os
import re
import subprocess

from distribution import output, owners


def needed(path):
    """The names in DT_NEEDED; none of what is no ELF file."""
    lines = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=False).stdout.splitlines()
    return [line.split()[1] for line in lines if line.split()[:1] == ["NEEDED"]]


class Loader:
    """Which package a shared library's name leads to."""

    def __init__(self, own):
        """`own`: {name: package} of libraries that are packed, too."""
        self.own = own
        ours = f"/{output('dpkg-architecture', '-qDEB_HOST_MULTIARCH').strip()}/"
        listed = re.findall(r"^\s+(\S+) .*=> (\S+)$", output("/sbin/ldconfig", "-p"), re.MULTILINE)
        # Last, so that they win over those of another architecture.
        self.paths = dict(sorted(listed, key=lambda entry: ours in entry[1]))
        self.packages = {}

    def package(self, name):
        if name not in self.packages:
            path = self.paths.get(name)
            package = self.own.get(name) or owners([path] if path else []).get(path)
            if package is None:
                raise SystemExit(f"{name} is not of an installed package: run this where the packages were built")
            self.packages[name] = package
        return self.packages[name]

    def all_behind(self, names):
        """{(package, package)} of the libraries that these need in turn."""
        pairs, seen, left = set(), set(), list(names)
        while left:
            name = left.pop()
            if name in seen or name not in self.paths:
                continue
            seen.add(name)
            for further in needed(self.paths[name]):
                left.append(further)
                if self.package(further) != self.package(name):
                    pairs.add((self.package(name), self.package(further)))
        return pairs


class Build:
    """A folder that Ninja built in: which headers were read for what."""

    def __init__(self, folder):
        self.folder = folder
        made = [line.split(": ")[0] for line in self._tool("targets", "all") if not line.endswith(": phony")]
        self.targets = {os.path.basename(target): target for target in made}
        self.headers = {}
        for line in self._tool("deps"):
            if line.startswith("    "):
                self.headers[current].add(line.strip())
            elif ": #deps" in line:
                current = line.split(": #deps")[0]
                self.headers[current] = set()
        system = {header for headers in self.headers.values() for header in headers if header.startswith("/usr/")}
        self.owner = owners(sorted(system))

    def _tool(self, *arguments):
        return output("ninja", "-C", self.folder, "-t", *arguments).splitlines()

    def packages_of(self, name):
        """Those whose headers were compiled into the program or library of this file name."""
        if name not in self.targets:
            return set()
        inputs = self._tool("inputs", self.targets[name])
        # Ninja 1.11 prints inputs as it was given them, a later one relative to the folder.
        objects = {os.path.relpath(path, self.folder) if os.path.isabs(path) else path for path in inputs}
        return {self.owner[header] for one in objects for header in self.headers.get(one, ()) if header in self.owner}
