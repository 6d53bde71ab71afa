"""The initramfs: busybox, the kernel's modules, guest/init and what it hands on."""

import os
import shutil
import subprocess

GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")
BUSYBOX = "/bin/busybox"


def make(path, kernel, settings, work):
    """Writes it to `path`; `settings` are variables for the shell."""
    tree = os.path.join(work, "tree")
    for folder in ("bin", "modules", "proc", "sys", "dev"):
        os.makedirs(os.path.join(tree, folder))
    shutil.copy(BUSYBOX, os.path.join(tree, "bin", "busybox"))
    for number, module in enumerate(kernel.modules):
        shutil.copy(module, os.path.join(tree, "modules", f"{number:02}-{os.path.basename(module)}"))
    for name in ("init", "lab.service", "lab.target"):
        shutil.copy(os.path.join(GUEST, name), tree)
    os.chmod(os.path.join(tree, "init"), 0o755)
    with open(os.path.join(tree, "settings"), "w", encoding="utf-8") as file:
        for name, value in settings.items():
            # systemd's EnvironmentFile= and the shell agree on double quotes.
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
            file.write(f'{name}="{escaped}"\n')
    names = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    with open(path, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, check=True, input=names, stdout=out)
