"""Socket activation, as systemd does it: the sockets are ours and outlive every daemon."""

import fcntl
import os
import socket

NAMES = (("application", "holdfast.sock", 0o666), ("admin", "admin.sock", 0o660), ("metrics", "metrics.sock", 0o660))

# Puts the sockets at 3, 4, 5 and says so, in the process that the daemon then becomes.
SCRIPT = 'exec 3<&{0} 4<&{1} 5<&{2} {0}<&- {1}<&- {2}<&-; export LISTEN_PID=$$; exec "$@"'


class Listening:
    def __init__(self, runtime):
        os.makedirs(runtime, exist_ok=True)
        self.fds = []
        for _, name, mode in NAMES:
            path = os.path.join(runtime, name)
            with socket.socket(socket.AF_UNIX) as listener:
                # PassCredentials=yes of the socket unit: who sent what comes before the daemon runs.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                listener.bind(path)
                os.chmod(path, mode)
                listener.listen(128)
                # High numbers, out of the way of 3, 4 and 5.
                self.fds.append(fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 100))

    def options(self):
        """For Daemon.start() and Daemon.launch()."""
        names = ":".join(name for name, _, _ in NAMES)
        return {
            "pass_fds": self.fds,
            "environment": {"LISTEN_FDS": str(len(self.fds)), "LISTEN_FDNAMES": names},
            "wrapper": ["bash", "-c", SCRIPT.format(*self.fds), "holdfastd"],
        }

    def close(self):
        for fd in self.fds:
            os.close(fd)
