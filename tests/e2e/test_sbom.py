"""The bill of materials that packaging/make-sbom writes, held against the files that it is of."""

import collections
import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from holdfast_testing.paths import BUILD, SOURCE, program

CONTENT = {
    "holdfast-daemon": {"usr/sbin": ["holdfastd"], "usr/libexec/holdfast": ["holdfast-core", "holdfast-device"]},
    "libholdfast0": {"usr/lib": ["../sdk/c/libholdfast.so.0"]},
    "linked-with-ours": {"usr/bin": ["sdk_call"]},
}
Made = collections.namedtuple("Made", "deb files document")


def pack(folder, name):
    files = []
    for place, sources in CONTENT[name].items():
        target = folder / name / place
        target.mkdir(parents=True)
        for source in sources:
            files.append(shutil.copy(program(source), target))
    (folder / name / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: 0.1.0\nArchitecture: amd64\nMaintainer: Tests <tests@holdfast.example>\nDescription: {name}\n"
    (folder / name / "DEBIAN" / "control").write_text(control)
    deb = folder / f"{name}_0.1.0.deb"
    subprocess.run(["dpkg-deb", "-b", folder / name, deb], check=True, capture_output=True)
    return deb, files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debs")
    packed = {name: pack(folder, name) for name in CONTENT}
    command = [os.path.join(SOURCE, "packaging", "make-sbom"), "--build", BUILD, *(deb for deb, _ in packed.values())]
    subprocess.run(command, check=True, env=dict(os.environ, SOURCE_DATE_EPOCH="1767225600"), timeout=200)
    return {name: Made(deb, files, json.loads(deb.with_suffix(".spdx.json").read_text())) for name, (deb, files) in packed.items()}


def related(document, kind):
    return {relation["relatedSpdxElement"] for relation in document["relationships"] if relation["relationshipType"] == kind}


def loaded(path):
    """Every file that the loader maps for this program, as the loader says."""
    lines = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(?:=> )?(/\S+) \(0x", lines)


def owner(path):
    for spelling in (path, os.path.realpath(path), os.path.realpath(path).removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", spelling], capture_output=True, text=True, check=False).stdout
        if found:
            return found.split(":")[0]
    return None


def test_everything_the_loader_maps_is_listed_in_the_version_that_is_installed(made):
    for name in ("holdfast-daemon", "libholdfast0"):
        listed = {package["name"]: package["versionInfo"] for package in made[name].document["packages"]}
        for path in {path for file in made[name].files for path in loaded(file)}:
            package = owner(path)
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", f"{package}:amd64"], capture_output=True, text=True, check=True).stdout
            assert listed.get(package) == version, f"{path} of {package}"


def test_headers_without_a_library_are_code_of_ours(made):
    assert "SPDXRef-libcli11-dev" in related(made["holdfast-daemon"].document, "STATIC_LINK")


def test_a_library_of_the_same_build_is_named_as_it_is_packed(made):
    assert "SPDXRef-libholdfast0" in related(made["linked-with-ours"].document, "DYNAMIC_LINK")


def test_licences_are_those_of_machine_readable_copyright_files_or_none(made):
    declared = {package["name"]: package["licenseDeclared"] for package in made["holdfast-daemon"].document["packages"]}
    assert declared["holdfast-daemon"] == "NOASSERTION"
    assert declared["libssl3" if "libssl3" in declared else "libssl3t64"] == "Apache-2.0"
    assert declared["libc6"] == "NOASSERTION"


def test_each_relation_is_between_what_the_document_has(made):
    for one in made.values():
        known = {package["SPDXID"] for package in one.document["packages"]} | {"SPDXRef-DOCUMENT"}
        for relation in one.document["relationships"]:
            assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known, relation


def test_the_document_names_its_package_by_digest_and_the_time_of_the_sources(made):
    deb, _, document = made["holdfast-daemon"]
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    own = next(package for package in document["packages"] if package["name"] == "holdfast-daemon")
    assert own["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    assert document["documentNamespace"].endswith(digest)
    assert document["creationInfo"]["created"] == "2026-01-01T00:00:00Z"
