"""Debian's kernels, fetched with apt and taken apart, never installed."""

import fcntl
import lzma
import os
import re
import shutil
import subprocess

# The series, and the release that ships it.
RELEASES = {"6.1": "bookworm", "6.12": "trixie"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What the initramfs loads to reach the root file system; all else is built in, the TPM's drivers among it.
NEEDED = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


class Missing(Exception):
    """The kernel is not there and can't be had; says why."""


class Kernel:
    def __init__(self, folder):
        self.image = os.path.join(folder, "vmlinuz")
        with open(os.path.join(folder, "order"), encoding="ascii") as file:
            self.modules = [os.path.join(folder, name + ".ko") for name in file.read().split()]


def kernel(series, cache, fetch=True):
    """The Kernel of a series, from the folder `cache`, fetched into it where it is not there yet."""
    os.makedirs(cache, exist_ok=True)
    folder = os.path.join(cache, f"linux-{series}")
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(folder):
            if not fetch:
                raise Missing(f"Linux {series} is not in {cache}: `tests/lab/run --fetch` gets it")
            work = folder + ".part"
            shutil.rmtree(work, ignore_errors=True)
            os.makedirs(work)
            try:
                _take_apart(_download(RELEASES[series], work), work)
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", None) or str(error)
                raise Missing(f"Linux {series} can't be fetched: {said.strip()[-800:]}") from error
            os.rename(work, folder)
    return Kernel(folder)


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _mirror():
    """Where this machine gets Debian from."""
    shown = _run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")
    uris = [line.split("|")[2] for line in shown.splitlines() if line.startswith("Debian|Debian|")]
    if not uris:
        raise Missing("apt knows no Debian archive to get a kernel from: name one in /etc/apt and run `apt-get update`")
    return uris[0]


def _download(release, work):
    """Path of the package. apt checks it against the archive's signature, in a state of its own: that of the
    machine may know another release, and is not ours to change."""
    state = os.path.join(work, "apt")
    for name in ("lists/partial", "archives/partial"):
        os.makedirs(os.path.join(state, name))
    sources = os.path.join(state, "debian.sources")
    with open(sources, "w", encoding="ascii") as file:
        file.write(f"Types: deb\nURIs: {_mirror()}\nSuites: {release}\nComponents: main\nArchitectures: amd64\nSigned-By: {KEYRING}\n")
    options = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null", "Dir::State": state, "Dir::State::lists": f"{state}/lists",
               "Dir::State::status": "/dev/null", "Dir::Cache": state, "Acquire::Languages": "none", "Acquire::Retries": "3",
               "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false", "APT::Architecture": "amd64",
               # The folder may be closed to apt's own user.
               "APT::Sandbox::User": "root"}  # fmt: skip
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", *settings, "-q", "update")
    depends = _run("apt-cache", *settings, "depends", "linux-image-amd64")
    package = re.search(r"Depends: (linux-image-\S+)", depends)[1]
    subprocess.run(["apt-get", *settings, "-q", "download", package], cwd=work, check=True, capture_output=True, text=True)
    (file,) = [name for name in os.listdir(work) if name.endswith(".deb")]
    return os.path.join(work, file)


def _take_apart(package, work):
    """Leaves vmlinuz, the modules that are needed, and `order`, which names them as they have to be loaded."""
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    wanted = ["./boot/vmlinuz-*"] + [f"*/kernel/{part}/*" for part in ("drivers/virtio", "fs/9p", "fs/fscache", "fs/netfs", "fs/overlayfs", "net/9p")]
    wanted.append("*/modules.builtin")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as archive:
        # Not each release has each folder, and tar calls that an error.
        subprocess.run(["tar", "-x", "-C", tree, "--wildcards", *wanted], stdin=archive.stdout, check=False, capture_output=True)
    (image,) = os.listdir(os.path.join(tree, "boot"))
    os.rename(os.path.join(tree, "boot", image), os.path.join(work, "vmlinuz"))

    found, builtin = {}, set()
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            if name == "modules.builtin":
                with open(path, encoding="ascii") as file:
                    builtin = {os.path.basename(line.strip())[: -len(".ko")].replace("-", "_") for line in file}
            elif re.search(r"\.ko(\.xz)?$", name):
                with (lzma.open if name.endswith(".xz") else open)(path, "rb") as file:
                    found[name.split(".")[0].replace("-", "_")] = file.read()
    order = []

    def add(module):
        if module in order or module in builtin:
            return
        for name in re.search(rb"\0depends=([^\0]*)\0", b"\0" + found[module])[1].decode().split(","):
            if name:
                add(name.replace("-", "_"))
        order.append(module)

    for module in NEEDED:
        add(module)
    for module in order:
        with open(os.path.join(work, module + ".ko"), "wb") as file:
            file.write(found[module])
    with open(os.path.join(work, "order"), "w", encoding="ascii") as file:
        file.write("\n".join(order) + "\n")
    shutil.rmtree(tree)
    shutil.rmtree(os.path.join(work, "apt"))
    os.unlink(package)
