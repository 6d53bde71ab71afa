"""Who sits on the TPM's bus: relays between a client (TCTI `swtpm:path=…`) and a software TPM, and writes down all bytes.

What it may also do: change a response, have another TPM answer chosen commands, answer by itself, or not at all.
Framing is TPM 2.0 Part 1 §18: tag, size of the whole, command or response code.
"""

import os
import select
import socket
import struct
import threading
import time

CREATE_PRIMARY, CREATE, LOAD, IMPORT, READ_PUBLIC = 0x131, 0x153, 0x157, 0x156, 0x173
SIGN, HMAC, START_AUTH_SESSION, GET_CAPABILITY = 0x15D, 0x155, 0x176, 0x17A

# Handles that stand in front of the sessions (TPM 2.0 Part 3), of the commands that tests look into.
HANDLES = {CREATE_PRIMARY: 1, CREATE: 1, LOAD: 1, IMPORT: 1, READ_PUBLIC: 1, SIGN: 1, HMAC: 1, START_AUTH_SESSION: 2}

SESSIONS_TAG, FAILURE = 0x8002, 0x101
PASSWORD_SESSION = 0x40000009


class Session:
    def __init__(self, handle, nonce, attributes, hmac):
        self.handle, self.nonce, self.hmac = handle, nonce, hmac
        self.is_password = handle == PASSWORD_SESSION
        self.decrypts, self.encrypts = bool(attributes & 0x20), bool(attributes & 0x40)


class Exchange:
    """One command with its response, as they went over the bus."""

    def __init__(self, command, response):
        self.command, self.response = command, response

    @property
    def code(self):
        return struct.unpack(">I", self.command[6:10])[0]

    @property
    def result(self):
        return struct.unpack(">I", self.response[6:10])[0] if len(self.response) >= 10 else None

    @property
    def sessions(self):
        """Of the command; only for those in HANDLES."""
        if struct.unpack(">H", self.command[:2])[0] != SESSIONS_TAG:
            return []
        at = 10 + 4 * HANDLES[self.code]
        end = at + 4 + struct.unpack(">I", self.command[at : at + 4])[0]
        at, found = at + 4, []
        while at < end:
            handle, length = struct.unpack(">IH", self.command[at : at + 6])
            nonce = self.command[at + 6 : at + 6 + length]
            at += 6 + length
            attributes, size = struct.unpack(">BH", self.command[at : at + 3])
            found.append(Session(handle, nonce, attributes, self.command[at + 3 : at + 3 + size]))
            at += 3 + size
        return found


def answer(code):
    """A response that is nothing but a return code."""
    return struct.pack(">HII", 0x8001, 10, code)


def flip(position):
    """A change for Bus.change: one bit of the byte at `position`, from the end where it is negative."""

    def change(exchange):
        response = bytearray(exchange.response)
        response[position] ^= 1
        return bytes(response)

    return change


def read(stream, size):
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def message(stream):
    head = read(stream, 10)
    return head + read(stream, struct.unpack(">I", head[2:6])[0] - 10)


def connect(path):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    return stream


class Bus:
    """Listens at `path` (and `path`.ctrl) in front of `tpm`, an Swtpm."""

    def __init__(self, path, tpm):
        self.path, self.tpm = path, tpm
        self.tcti = f"swtpm:path={path}"
        self.exchanges = []
        self.lock = threading.Lock()
        self.changes = {}  # command code -> [how many to let pass, the change, how many times]
        self.others = {}  # command code -> Swtpm that answers in place of ours
        self.fixed = None  # the return code that everything gets
        self.silent = False  # commands vanish
        self.delays = {}  # command code -> seconds that the TPM seems to need for it
        self.ended = threading.Event()
        self.listeners = []
        for name, serve in ((path, self._data), (path + ".ctrl", self._control)):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(name)
            listener.listen(16)
            self.listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, serve), daemon=True).start()

    def change(self, code, how, after=0, times=1):
        """The response to the command `code` after `after` more goes through how(exchange) -> bytes."""
        with self.lock:
            self.changes[code] = [after, how, times]

    def pending(self, code):
        """Is there a change that has not happened yet?"""
        with self.lock:
            return code in self.changes

    def clear(self):
        """From now on an honest wire, with an empty book."""
        with self.lock:
            self.exchanges, self.changes, self.others = [], {}, {}
            self.fixed, self.silent = None, False

    def of(self, code):
        return [exchange for exchange in list(self.exchanges) if exchange.code == code]

    @property
    def bytes(self):
        """All that went either way, message by message."""
        return [part for exchange in list(self.exchanges) for part in (exchange.command, exchange.response)]

    def _accept(self, listener, serve):
        while not self.ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._guard, args=(serve, client), daemon=True).start()

    @staticmethod
    def _guard(serve, client):
        with client:
            try:
                serve(client)
            except (EOFError, OSError):
                pass

    def _data(self, client):
        with connect(self.tpm.socket) as tpm:
            while not self.ended.is_set():
                # Whichever side closes, the other is told: the TPM has one client at a time.
                if tpm in select.select([client, tpm], [], [])[0]:
                    return
                command = message(client)
                client.sendall(self._exchange(command, tpm))

    def _exchange(self, command, tpm):
        exchange = Exchange(command, b"")
        with self.lock:
            fixed, other = self.fixed, self.others.get(exchange.code)
        while self.silent and not self.ended.wait(0.01):
            pass
        if fixed is not None:
            exchange.response = answer(fixed)
        elif other is not None:
            with connect(other.socket) as stream:
                stream.sendall(command)
                exchange.response = message(stream)
        else:
            time.sleep(self.delays.get(exchange.code, 0))
            tpm.sendall(command)
            exchange.response = message(tpm)
        with self.lock:
            change = self.changes.get(exchange.code)
            if change is not None and exchange.result == 0:
                if change[0] > 0:
                    change[0] -= 1
                else:
                    exchange.response = change[1](exchange)
                    change[2] -= 1
                    if change[2] <= 0:
                        del self.changes[exchange.code]
            self.exchanges.append(exchange)
        return exchange.response

    def _control(self, client):
        with connect(self.tpm.socket + ".ctrl") as tpm:
            other = {client: tpm, tpm: client}
            while True:
                for ready in select.select([client, tpm], [], [])[0]:
                    data = ready.recv(4096)
                    if not data:
                        return
                    other[ready].sendall(data)

    def close(self):
        self.ended.set()
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for name in (self.path, self.path + ".ctrl"):
            os.unlink(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
