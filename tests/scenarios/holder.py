"""A helper of build.sh that holds what the daemon answered: copies its own memory to memory.dump, says so, and waits to be killed."""

import os
import signal
import subprocess

command = ["holdfast", "--json", "token", "jwt", "--key", "deploy-jwt", "--audience", "https://registry.example.com", "--ttl", "60s"]
reply = subprocess.run(command, capture_output=True, check=False).stdout if "HOLDFAST_SOCKET" in os.environ else b""

with open("/proc/self/maps", encoding="ascii") as maps, open("/proc/self/mem", "rb", 0) as memory, open("memory.dump", "wb") as dump:
    for line in maps:
        span, rights = line.split()[:2]
        low, high = (int(part, 16) for part in span.split("-"))
        if "r" in rights and "[v" not in line:
            try:
                dump.write(os.pread(memory.fileno(), high - low, low))
            except OSError:
                pass
print("up", flush=True)
signal.pause()
