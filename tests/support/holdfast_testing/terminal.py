"""A program on a terminal of its own, which types when it is asked."""

import os
import pty
import select
import time


def on_terminal(command, answers, environment=None, seconds=60):
    """Types each (prompt, text) once the prompt stands there. Returns (exit status, all that was shown)."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execve(command[0], command, environment or os.environ)
        finally:
            os._exit(127)
    shown, seen, waiting, end = "", 0, list(answers), time.monotonic() + seconds
    try:
        while True:
            if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"not within {seconds} s: {waiting or 'its end'}; it shows:\n{shown}")
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: the other end is closed
                break
            if not data:
                break
            shown += data.decode("utf-8", "replace")
            while waiting and (at := shown.find(waiting[0][0], seen)) >= 0:
                seen = at + len(waiting[0][0])
                os.write(terminal, waiting.pop(0)[1].encode())
        assert not waiting, f"never asked for {waiting[0][0]!r}:\n{shown}"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown
    except BaseException:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)
