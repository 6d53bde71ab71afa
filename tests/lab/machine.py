"""One virtual machine with a TPM: QEMU in plain software, swtpm, the host's file system read-only."""

import contextlib
import os
import subprocess
import sys
import threading
import time

# Never KVM: where it is there at all, it may hang, and results would depend on it.
QEMU = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2048", "-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults"]
# A killed test leaves no machine behind.
DYING = ["setpriv", "--pdeathsig", "KILL", "--"]


class Failed(Exception):
    pass


def tail(path, lines=40):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-lines:])


def run(kernel, initramfs, folder, boot_seconds, seconds):
    """Boots, passes on what the guest says, and comes back when the machine is off. `folder` gets its results and
    `console`; it has to be short, for a socket is in it."""
    console, control = os.path.join(folder, "console"), os.path.join(folder, "swtpm")
    results, state = os.path.join(folder, "results"), os.path.join(folder, "tpm")
    for made in (results, state):
        os.mkdir(made)
    swtpm = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={control}", "--terminate"]
    machine = QEMU + [
        "-smp", str(min(2, os.cpu_count())), "-kernel", kernel.image, "-initrd", initramfs,
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off no5lvl systemd.show_status=0 systemd.condition-needs-update=0 systemd.firstboot=0 apparmor=1 security=apparmor",
        "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
        "-chardev", "stdio,id=report,signal=off", "-serial", "chardev:report",
        "-chardev", f"socket,id=swtpm,path={control}", "-tpmdev", "emulator,id=tpm,chardev=swtpm", "-device", "tpm-crb,tpmdev=tpm",
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        "-virtfs", f"local,path={results},mount_tag=results,security_model=none,multidevs=remap",
    ]  # fmt: skip
    open(console, "wb").close()
    with contextlib.ExitStack() as stack:

        def start(command, **options):
            process = stack.enter_context(subprocess.Popen(DYING + command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options))
            stack.callback(process.kill)
            return process

        log = stack.enter_context(open(os.path.join(folder, "swtpm.log"), "wb"))
        start(swtpm, stdout=log)
        end = time.monotonic() + 10
        while not os.path.exists(control):
            if time.monotonic() > end:
                raise Failed(f"swtpm does not start: {tail(log.name)}")
            time.sleep(0.02)
        started = time.monotonic()
        qemu = start(machine, stdout=subprocess.PIPE)
        heard = threading.Event()

        def listen():
            for line in qemu.stdout:
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text.startswith("guest:"):
                    heard.set()
                print(text, flush=True)

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            while qemu.poll() is None and not heard.is_set():
                if time.monotonic() - started > boot_seconds:
                    raise Failed(f"the machine did not come up within {boot_seconds} s; its console ends with:\n{tail(console)}")
                heard.wait(0.2)
            qemu.wait(max(1, seconds - (time.monotonic() - started)))
        except subprocess.TimeoutExpired as error:
            raise Failed(f"the tests did not end within {seconds} s; the console ends with:\n{tail(console)}") from error
        finally:
            sys.stdout.flush()
        listener.join(5)
        if not heard.is_set() or qemu.returncode != 0:
            raise Failed(f"QEMU ended with {qemu.returncode}; the console ends with:\n{tail(console)}")
    return results
