"""libholdfast as others get it: its symbols, its package files, the examples, and each block of docs/sdk.md."""

import hashlib
import os
import re
import subprocess

import pytest

from holdfast_testing import jws
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import BUILD, SOURCE, program
from holdfast_testing.sigv4 import signature

SECRET = "the-secret-of-the-packages-tests"
API = "https://api.example.com"
URL = "https://my-bucket.s3.eu-west-1.amazonaws.com/a.txt"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
GRANTS = f"""
[[grant]]
name = "everything"
key = "*"
caller = {{ uid = {os.geteuid()} }}
[[grant]]
name = "tokens"
key = "orders-jwt"
caller = {{ uid = {os.geteuid()} }}
facts = {{ audience = "{API}", "claim.*" = "**" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANTS) as running:
        running.import_aws("orders-aws", "AKIAPACKAGE", SECRET)
        running.create_key("orders-jwt", use="jwt")
        yield running


@pytest.fixture(scope="module")
def prefix(folder):
    """An installation in a folder of its own."""
    place = os.path.join(folder, "usr")
    run(["cmake", "--install", BUILD, "--component", "sdk", "--prefix", place])
    return place


def library_folder(prefix):
    (found,) = [folder for folder, _, files in os.walk(prefix) if "libholdfast.so.0" in files]
    return found


def run(command, check=True, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result


def run_with(daemon, command, prefix=None):
    environment = dict(os.environ, HOLDFAST_SOCKET=daemon.socket)
    if prefix:
        environment["LD_LIBRARY_PATH"] = library_folder(prefix)
    return run(command, env=environment).stdout


def pkg_config(prefix, *arguments):
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(library_folder(prefix), "pkgconfig"))
    return run(["pkg-config", *arguments, "holdfast"], env=environment).stdout.split()


def sanitized():
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
        return re.search(r"^HOLDFAST_SANITIZE:\w+=(.*)$", cache.read(), re.M)[1]


def sanitizer_flags():
    """A library that was built with a sanitizer runs in programs that have it too."""
    return [f"-fsanitize={sanitized()}"] if sanitized() else []


def check_headers(text):
    """The printed headers are SigV4 for URL, computed from outside."""
    headers = dict(line.split(": ", 1) for line in text.splitlines())
    date, payload = headers["X-Amz-Date"], headers["X-Amz-Content-Sha256"]
    host, path = re.fullmatch(r"https://([^/]*)(/.*)", URL).groups()
    signed = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"GET\n{path}\n\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{date}\n\n{signed}\n{payload}"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{date[:8]}/eu-west-1/s3/aws4_request\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    assert headers["Authorization"].endswith("Signature=" + signature(SECRET, to_sign))


def check_tokens(daemon, text, count):
    with daemon.client() as client:
        keys = client.get("/v1/jwks").json
    found = [jws.claims(token, keys)[1] for token in text.splitlines()]
    assert len(found) == count and len({claims["jti"] for claims in found}) == count
    assert {claims["aud"] for claims in found} == {API}
    return found


# Symbols and headers.


def test_exported_symbols():
    """What programs may bind to. A name is only ever added to the list; one that is gone needs a new soname."""
    text = run(["nm", "-D", "--defined-only", "--with-symbol-versions", os.path.join(BUILD, "sdk", "c", "libholdfast.so")]).stdout
    exported = sorted(line.split()[-1] for line in text.splitlines() if " A " not in line)
    with open(os.path.join(SOURCE, "tests", "sdk", "symbols.txt"), encoding="ascii") as file:
        assert exported == file.read().split()


def test_every_declared_function_is_exported():
    with open(os.path.join(SOURCE, "sdk", "c", "include", "holdfast", "holdfast.h"), encoding="ascii") as file:
        declared = set(re.findall(r"^HOLDFAST_API [^(]*?(holdfast_\w+)\(", file.read(), re.M))
    with open(os.path.join(SOURCE, "tests", "sdk", "symbols.txt"), encoding="ascii") as file:
        assert declared == {line.partition("@")[0] for line in file.read().split()}


def test_soname_and_dependencies():
    text = run(["readelf", "-d", os.path.join(BUILD, "sdk", "c", "libholdfast.so")]).stdout
    assert "[libholdfast.so.0]" in text
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))
    assert sanitized() or needed <= {"libjansson.so.4", "libc.so.6", "ld-linux-x86-64.so.2"}, needed


@pytest.mark.parametrize("language", [["-x", "c", "-std=c11"], ["-x", "c++", "-std=c++11"]])
def test_the_header_alone_compiles(prefix, language):
    run(["cc", "-fsyntax-only", *STRICT, *language, os.path.join(prefix, "include", "holdfast", "holdfast.h")])


# The installed package.


def test_a_c_program_with_pkg_config(daemon, prefix, folder):
    assert pkg_config(prefix, "--modversion") == ["0.1.0"]
    source = os.path.join(SOURCE, "examples", "c-sigv4", "sign.c")
    shared, static = os.path.join(folder, "shared"), os.path.join(folder, "static")
    run(["cc", "-std=c11", *STRICT, source, *pkg_config(prefix, "--cflags", "--libs"), "-o", shared, *sanitizer_flags()])
    check_headers(run_with(daemon, [shared, "orders-aws", "eu-west-1", URL], prefix))
    libraries = pkg_config(prefix, "--static", "--libs")
    libraries[libraries.index("-lholdfast")] = "-l:libholdfast.a"
    run(["cc", "-std=c11", source, *pkg_config(prefix, "--cflags"), *libraries, "-o", static, *sanitizer_flags()])
    check_headers(run_with(daemon, [static, "orders-aws", "eu-west-1", URL]))


def build_with_cmake(prefix, source, build):
    flags = " ".join(sanitizer_flags())
    run(["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_FLAGS={flags}", f"-DCMAKE_C_FLAGS={flags}"])
    run(["cmake", "--build", build])


def test_a_cpp_program_with_find_package(daemon, prefix, folder):
    build = os.path.join(folder, "cpp-jwt")
    build_with_cmake(prefix, os.path.join(SOURCE, "examples", "cpp-jwt"), build)
    check_tokens(daemon, run_with(daemon, [os.path.join(build, "example-cpp-jwt"), "orders-jwt", API]), 1)


# The examples, as the project builds them.


def test_example_c_sigv4(daemon):
    check_headers(run_with(daemon, [program("example-c-sigv4"), "orders-aws", "eu-west-1", URL]))


def test_example_cpp_jwt(daemon):
    check_tokens(daemon, run_with(daemon, [program("example-cpp-jwt"), "orders-jwt", API]), 1)


def test_example_cpp_asio(daemon):
    found = check_tokens(daemon, run_with(daemon, [program("example-cpp-asio"), "orders-jwt", API, "100"]), 100)
    assert sorted(claims["number"] for claims in found) == list(range(100))


# docs/sdk.md.


def blocks():
    with open(os.path.join(SOURCE, "docs", "sdk.md"), encoding="utf-8") as file:
        return re.findall(r"^```(\w+)\n(.*?)^```$", file.read(), re.M | re.S)


def compiled(text, language, prefix, folder):
    source = os.path.join(folder, "block." + language)
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    compiler = ["cc", "-std=c11"] if language == "c" else ["c++", "-std=c++20"]
    options = [*pkg_config(prefix, "--cflags", "--libs"), "-pthread", *sanitizer_flags()]
    # g++ 12 warns falsely where a sanitizer instruments.
    run([*compiler, *([] if sanitized() else STRICT), source, "-o", source + ".out", *options])
    return source + ".out"


PROGRAMS = [one for one in blocks() if one[0] in ("c", "cpp")]


@pytest.mark.parametrize("language, text", PROGRAMS, ids=range(len(PROGRAMS)))
def test_programs_of_the_documentation(daemon, prefix, folder, language, text):
    said = run_with(daemon, [compiled(text, language, prefix, folder)], prefix)
    if "sign_sigv4" in text:
        check_headers(said)
    elif "mint(" in text:
        assert check_tokens(daemon, said, 1)[0]["scope"] == "read"
    elif "asio" in text:
        assert '"grants":["everything","tokens"]' in said and "X-Amz-Expires=900" in said, said
    else:
        assert '"orders-aws"' in said, said


def test_commands_of_the_documentation(daemon, prefix, folder):
    """What is installed, linked and configured as the documentation says works."""
    install, link, test = [text.strip() for language, text in blocks() if language == "sh"]
    assert install == "cmake --install build --component sdk --prefix /usr/local"
    (c, *_), (cpp, *_) = ([text for language, text in blocks() if language == kind] for kind in ("c", "cpp"))
    (cmake,) = [text for language, text in blocks() if language == "cmake"]
    place = os.path.join(folder, "orders")
    os.mkdir(place)
    for name, text in (("sign.c", c), ("orders.cpp", cpp), ("CMakeLists.txt", cmake)):
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write(text)
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(library_folder(prefix), "pkgconfig"))
    run(["sh", "-c", " ".join([link, *sanitizer_flags()])], cwd=place, env=environment)
    check_headers(run_with(daemon, [os.path.join(place, "sign")], prefix))
    build_with_cmake(prefix, place, os.path.join(place, "build"))
    check_tokens(daemon, run_with(daemon, [os.path.join(place, "build", "orders")]), 1)
    chosen = re.search(r"-R '(.*?)'", test)[1]
    listed = run([os.environ.get("HOLDFAST_CTEST", "ctest"), "--test-dir", BUILD, "-N", "-R", chosen]).stdout
    assert "e2e_sdk\n" in listed and "Total Tests: 1" in listed, listed
