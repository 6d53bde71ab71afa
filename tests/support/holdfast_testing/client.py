"""HTTP over a Unix socket: whole requests, or raw bytes for what no HTTP library would send."""

import array
import fcntl
import http.client
import io
import json
import select
import socket
import termios


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    """A plain value, so that a forked child can hand it back."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def code(self):
        """Of a problem document; "ok" for success."""
        return "ok" if self.status < 400 else self.json.get("code")

    @property
    def request_id(self):
        return self.headers["X-Request-Id"]

    def __repr__(self):
        return f"<{self.status} {self.content[:400].decode('utf-8', 'replace')}>"


class Client:
    """One kept connection to one of the daemon's sockets; connects again where it was closed."""

    def __init__(self, path, timeout=30):
        self.path = path
        self.connection = UnixConnection(path, timeout)

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False).encode()
        try:
            self.connection.request(method, path, body, headers or {})
            return Reply(self.connection.getresponse())
        except BaseException:
            self.connection.close()
            raise

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None):
        return self.request("POST", path, body)

    def delete(self, path):
        return self.request("DELETE", path)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stream(io.BufferedReader):
    """Outlives the responses read from it, so that what was pipelined is not lost between them."""

    def makefile(self, _mode):
        return self

    def close(self):
        pass


class Raw:
    """Bytes in, replies out."""

    def __init__(self, path, timeout=15):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = Stream(socket.SocketIO(self.socket, "r"))

    def send(self, data):
        """False where the daemon has closed the connection before it read everything."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answered(self):
        """Is there something to read, now?"""
        return bool(select.select([self.socket], [], [], 0)[0])

    def taken(self):
        """Has the daemon read every byte that was sent?"""
        left = array.array("i", [0])
        fcntl.ioctl(self.socket, termios.TIOCOUTQ, left)
        return left[0] == 0

    def reply(self, method="GET"):
        """The next reply, or None where the daemon closed the connection without one."""
        response = http.client.HTTPResponse(self.stream, method=method)
        try:
            response.begin()
            return Reply(response)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return None

    def closed(self):
        """Waits for the end of the stream; False where more bytes came."""
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchange(path, data, timeout=15):
    """One request's bytes on a connection of their own; the reply, or None."""
    with Raw(path, timeout) as raw:
        raw.send(data)
        return raw.reply()
