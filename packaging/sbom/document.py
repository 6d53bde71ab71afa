"""SPDX 2.3 for one package."""

import re

from distribution import NOTHING, about, brings_library, licence, release

# Declarations of the kernel's interface, and no code.
NO_CODE = {"linux-libc-dev"}


def _id(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name.replace("+", "p"))


def _relation(subject, kind, other, files=()):
    made = {"spdxElementId": _id(subject), "relationshipType": kind, "relatedSpdxElement": _id(other)}
    return dict(made, comment=", ".join(sorted(files))) if files else made


def _ours(name, version, summary):
    return {"SPDXID": _id(name), "name": name, "versionInfo": version, "supplier": NOTHING, "downloadLocation": NOTHING, "filesAnalyzed": False,
            "licenseConcluded": NOTHING, "licenseDeclared": NOTHING, "copyrightText": NOTHING, "summary": summary}  # fmt: skip


def _debian(package):
    """One of the distribution's."""
    facts, (system, version) = about(package), release()
    declared, comment = licence(facts["name"])
    purl = f"pkg:deb/{system}/{facts['name']}@{facts['version'].replace('+', '%2B')}?arch={facts['architecture']}&distro={system}-{version}"
    entry = {
        "SPDXID": _id(facts["name"]), "name": facts["name"], "versionInfo": facts["version"],
        "supplier": "Organization: Debian" if system == "debian" else NOTHING, "downloadLocation": NOTHING, "filesAnalyzed": False,
        "sourceInfo": f"built by the distribution from {facts['source']} {facts['source_version']}",
        "licenseConcluded": NOTHING, "licenseDeclared": declared, "licenseComments": comment, "copyrightText": NOTHING,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }  # fmt: skip
    return dict(entry, homepage=facts["homepage"]) if facts["homepage"] else entry


class Bill:
    """Filled by link(), between() and compile(); then document()."""

    def __init__(self, control, own):
        self.name, self.version, self.own = control["Package"], control["Version"], own
        self.entries = {self.name: _ours(self.name, self.version, control["Description"].split("\n")[0])}
        self.names = {}
        self.relations = [_relation("DOCUMENT", "DESCRIBES", self.name)]

    def _known(self, package):
        if package not in self.names:
            entry = _ours(package, self.version, "of the same build") if package in self.own else _debian(package)
            self.names[package] = entry["name"]
            self.entries[entry["name"]] = entry
        return self.names[package]

    def link(self, package, files):
        self.relations.append(_relation(self.name, "DYNAMIC_LINK", self._known(package), files))

    def between(self, one, other):
        self.relations.append(_relation(self._known(one), "DYNAMIC_LINK", self._known(other)))

    def compile(self, package, files):
        """Of a package that has headers alone, their code is in our files."""
        if package.split(":")[0] in NO_CODE:
            return
        if brings_library(package):
            self.relations.append(_relation(self._known(package), "BUILD_DEPENDENCY_OF", self.name, files))
        else:
            self.relations.append(_relation(self.name, "STATIC_LINK", self._known(package), files))

    def document(self, digest, created):
        self.entries[self.name]["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest}]
        return {
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{self.name}-{self.version}",
            "documentNamespace": f"https://holdfast.example/spdx/{self.name}-{self.version}-{digest}",
            "creationInfo": {"created": created, "creators": ["Tool: holdfast-make-sbom"]},
            "packages": [self.entries[name] for name in sorted(self.entries)], "relationships": self.relations,
        }  # fmt: skip
