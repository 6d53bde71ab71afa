"""What Debian's package database says of files and packages."""

import logging
import os
import re
import subprocess

from debian.copyright import Copyright, NotMachineReadableError

logging.getLogger("debian.copyright").setLevel(logging.ERROR)  # older files name an older address of the format

NOTHING = "NOASSERTION"
# Debian's short names of licences, and what SPDX calls them.
SPDX = {"Expat": "MIT", "MIT": "MIT", "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause", "BSL-1.0": "BSL-1.0",
        "Apache-2": "Apache-2.0", "Apache-2.0": "Apache-2.0", "Artistic-2.0": "Artistic-2.0", "ISC": "ISC", "Zlib": "Zlib", "zlib": "Zlib",
        "CC0-1.0": "CC0-1.0", "MPL-2.0": "MPL-2.0", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only",
        "GPL-3+": "GPL-3.0-or-later", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.0+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only",
        "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3+": "LGPL-3.0-or-later", "public-domain": ""}  # fmt: skip


def output(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check, env=dict(os.environ, LC_ALL="C.UTF-8")).stdout


def owners(paths):
    """{path: package} of those that a package brought."""
    spellings = {}
    for path in paths:
        # /lib and /usr/lib are one folder, and packages spell it either way.
        real = os.path.realpath(path)
        for spelling in (path, real, real.removeprefix("/usr"), f"/usr{path}"):
            spellings.setdefault(spelling, path)
    found, names = {}, list(spellings)
    for first in range(0, len(names), 1000):
        for line in output("dpkg-query", "-S", *names[first : first + 1000], check=False).splitlines():
            package, _, name = line.rpartition(": ")
            if name in spellings and not package.startswith("diversion"):
                found.setdefault(spellings[name], package.split(",")[0])
    return found


def about(package):
    """Its name without the architecture, version, architecture, source, the source's version, homepage."""
    names = ("name", "version", "architecture", "source", "source_version", "homepage")
    fields = "${Package}\\n${Version}\\n${Architecture}\\n${source:Package}\\n${source:Version}\\n${Homepage}"
    return dict(zip(names, output("dpkg-query", "-W", "-f", fields, package).split("\n")))


def brings_library(package):
    """Something to link with, beside headers?"""
    return re.search(r"\.(so|a)$", output("dpkg-query", "-L", package), re.MULTILINE) is not None


def licence(name):
    """(SPDX expression, where from): of `Files: *` in a machine-readable copyright file."""
    path = f"/usr/share/doc/{name}/copyright"
    try:
        with open(path, encoding="utf-8") as file:
            stanzas = list(Copyright(file, strict=False).all_files_paragraphs())
    except (OSError, NotMachineReadableError, ValueError):
        return NOTHING, f"{path} is not machine-readable"
    names = {" ".join(stanza.files): stanza.license.synopsis for stanza in stanzas if stanza.license}
    others = sorted(set(names.values()) - {names.get("*")})
    return expression(names.get("*", "")), f"of Files: * in {path}" + (f"; of single files: {', '.join(others)}" if others else "")


def expression(synopsis):
    """"GPL-2+ or Expat" in SPDX's words; NOASSERTION where SPDX has no name for a part of it."""
    words = []
    for word in re.split(r"\s+(and/or|or|and)\s+", synopsis.strip()):
        if word in ("and", "or", "and/or"):
            words.append("AND" if word == "and" else "OR")
        elif SPDX.get(word):
            words.append(SPDX[word])
        else:
            return NOTHING
    return " ".join(words)


def release():
    """Of /etc/os-release, ID and VERSION_ID."""
    with open("/etc/os-release", encoding="utf-8") as file:
        fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', file.read(), re.MULTILINE))
    return fields["ID"], fields.get("VERSION_ID", "")
