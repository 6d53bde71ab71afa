"""What the packages hold, as far as it can be judged without installing it; tests/packaging installs it."""

import configparser
import glob
import os
import re
import subprocess

import pytest
import yaml

from holdfast_testing.paths import SOURCE, program

PACKAGING = os.path.join(SOURCE, "packaging")
SYSTEMD = os.path.join(PACKAGING, "systemd")
SERVICES = sorted(glob.glob(f"{SYSTEMD}/**/*.service", recursive=True))
SOCKETS = {"application": ("holdfast", "holdfast.sock"), "admin": ("holdfast-admin", "admin.sock"),
           "metrics": ("holdfast-metrics", "metrics.sock")}


def run(*command, environment=None, check=True):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                            env=dict(os.environ, **(environment or {})))
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result


def text_of(*path):
    with open(os.path.join(PACKAGING, *path), encoding="utf-8") as file:
        return file.read()


def check_configuration(folder, text):
    os.makedirs(folder, mode=0o755)
    path = os.path.join(folder, "holdfast.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    run(program("holdfastd"), "--config", path, "--check")
    return path


@pytest.mark.parametrize("unit", SERVICES, ids=os.path.basename)
def test_exposure_is_at_most_1_5(unit):
    run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit)


def test_units_are_what_systemd_takes(folder):
    place = os.path.join(folder, "units")
    os.mkdir(place)
    units = []
    for path in glob.glob(f"{SYSTEMD}/*.socket") + SERVICES:
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("/usr/sbin/holdfastd", program("holdfastd")).replace("/usr/bin/holdfast", program("holdfast"))
        units.append(os.path.join(place, os.path.basename(path)))
        with open(units[-1], "w", encoding="utf-8") as file:
            file.write(text)
    said = run("systemd-analyze", "verify", "--man=no", *units, check=False)
    ours = [line for line in said.stderr.splitlines() if "holdfast" in line or "import-key" in line]
    assert not ours, ours


@pytest.mark.parametrize("name", SOCKETS)
def test_sockets_are_those_the_daemon_knows(name):
    unit, file = SOCKETS[name]
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    parser.optionxform = str
    parser.read(f"{SYSTEMD}/{unit}.socket")
    found = parser["Socket"]
    with open(os.path.join(SOURCE, "daemon", "supervise", "sockets.cpp"), encoding="utf-8") as source:
        mode = re.search(r'\{"%s", "%s", (\d+)\}' % (name, re.escape(file)), source.read())[1]
    assert found["FileDescriptorName"] == name and found["ListenStream"] == f"/run/holdfast/{file}"
    assert found["SocketMode"] == mode and found["PassCredentials"] == "yes" and found["Service"] == "holdfastd.service"
    assert found.get("SocketGroup") == (None if name == "application" else "holdfast-admin")


def test_a_stop_is_the_supervisors_to_carry_out():
    """A SIGTERM to all processes ends the core with requests under way, and without a record."""
    assert "KillMode=mixed" in text_of("systemd", "holdfastd.service").splitlines()


def test_users_and_folders_are_made(root, folder):
    place = os.path.join(folder, "root")
    os.makedirs(os.path.join(place, "etc"))
    run("systemd-sysusers", f"--root={place}", os.path.join(SYSTEMD, "holdfast.sysusers"))
    groups = dict(line.split(":", 1) for line in open(os.path.join(place, "etc", "group"), encoding="ascii"))
    assert groups["tss"].strip().endswith("holdfast-device") and "holdfast-admin" in groups
    run("systemd-tmpfiles", "--create", f"--root={place}", os.path.join(SYSTEMD, "holdfast.tmpfiles"))
    for name, mode in (("run/holdfast", 0o755), ("var/lib/holdfast", 0o700)):
        assert os.stat(os.path.join(place, name)).st_mode & 0o777 == mode


def test_default_configuration_is_valid_and_allows_nothing(folder):
    path = check_configuration(os.path.join(folder, "default"), text_of("etc", "holdfast.toml"))
    denied = run(program("holdfast"), "policy", "check", "--config", path, "--as", "uid=0", "--key", "any", "service=s3", check=False)
    assert denied.returncode == 3


def test_every_setting_of_the_default_configuration_is_known(folder):
    text = re.sub(r"^# (\w+ = )", r"\1", text_of("etc", "holdfast.toml"), flags=re.M)
    check_configuration(os.path.join(folder, "all"), text)


def test_grant_of_the_policy_folders_readme(folder):
    grant = "".join(line[2:] + "\n" for line in text_of("etc", "policy.README").splitlines() if re.match(r"  [\[a-z]+[^.]* ?[=\[\]]", line)
                    and not line.startswith("  holdfast"))
    grant = grant.replace('user = "orders"', 'user = "root"')
    path = check_configuration(os.path.join(folder, "readme"), text_of("etc", "holdfast.toml") + grant)
    asked = ["--as", "unit=orders.service,user=root", "--key", "orders-aws", "service=s3", "bucket=orders-1", "method=GET"]
    run(program("holdfast"), "policy", "check", "--config", path, *asked)


def test_configuration_of_the_daemon_set(folder):
    documents = list(yaml.safe_load_all(text_of("container", "daemonset.yaml")))
    assert [one["kind"] for one in documents] == ["Namespace", "ConfigMap", "DaemonSet"]
    check_configuration(os.path.join(folder, "kubernetes"), documents[1]["data"]["holdfast.toml"])
    pod = documents[2]["spec"]["template"]["spec"]
    sockets = {one["name"]: one for one in pod["volumes"]}["sockets"]
    assert sockets["hostPath"]["path"] == "/run/holdfast" and pod["hostPID"]
    for container in pod["initContainers"] + pod["containers"]:
        assert {one["name"] for one in container["volumeMounts"]} <= {one["name"] for one in pod["volumes"]}


def test_apparmor_profile_is_compiled():
    run("apparmor_parser", "--skip-kernel-load", "--skip-read-cache", "--skip-cache", f"{PACKAGING}/apparmor/usr.sbin.holdfastd")


@pytest.mark.parametrize("page", ["holdfast.1", "holdfastd.8", "holdfast.toml.5", "libholdfast.3"])
def test_manual_pages_have_no_warning(folder, page):
    path = os.path.join(folder, page)
    with open(path, "w", encoding="utf-8") as file:
        file.write(run(f"{PACKAGING}/man/make-page", f"{PACKAGING}/man/{page}.md", "0.1.0").stdout)
    environment = {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    said = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path, environment=environment)
    assert said.stderr == ""
    assert page.rsplit(".", 1)[0] + " - " in run("lexgrog", path).stdout


def test_manual_page_of_the_command_line_names_each_command():
    page = run(f"{PACKAGING}/man/make-page", f"{PACKAGING}/man/holdfast.1.md", "0.1.0").stdout
    said = run(program("holdfast"), "--help").stdout
    for command in re.findall(r"^  ([a-z]+)  ", said.split("Subcommands:")[1], re.M):
        assert re.search(rf"holdfast .*\b{command}\b", page.replace("\\-", "-")), command


@pytest.mark.parametrize("script", sorted(glob.glob(f"{PACKAGING}/debian/*/p*")), ids=os.path.basename)
def test_maintainer_scripts_parse(script):
    run("sh", "-n", script)


def test_what_is_in_etc_is_a_conffile():
    installed = set()
    for names, folder, rest in re.findall(r"install\(FILES ([\w./ -]+) DESTINATION (/etc[\w./]*)(.*)\)", text_of("CMakeLists.txt")):
        renamed = re.search(r"RENAME (\S+)", rest)
        installed |= {f"{folder}/{renamed[1] if renamed else os.path.basename(name)}" for name in names.split()}
    assert installed == set(text_of("debian", "holdfast-daemon", "conffiles").split())


def test_grant_of_the_installation_page(folder):
    with open(os.path.join(SOURCE, "docs", "installation.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", file.read(), re.M | re.S)
    (grant,) = [text for language, text in blocks if language == "toml"]
    (asked,) = [line for _, text in blocks for line in text.splitlines() if line.startswith("holdfast policy check")]
    path = check_configuration(os.path.join(folder, "page"), text_of("etc", "holdfast.toml") + grant.replace('user = "orders"', 'user = "root"'))
    run(program("holdfast"), *asked.replace("user=orders", "user=root").split()[1:], "--config", path)
