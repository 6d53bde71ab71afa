"""An X.509 authority as AWS trusts one: a root and an issuing certificate, made by the openssl command."""

import os
import subprocess

CONFIG = """\
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
[server]
subjectAltName = IP:127.0.0.1, DNS:localhost
[req]
distinguished_name = none
[none]
"""


def openssl(*command, data=None):
    return subprocess.run(["openssl", *command], input=data, check=True, capture_output=True, timeout=60).stdout


class Authority:
    """Files in `folder`: root.crt, issuing.crt, and what is issued."""

    def __init__(self, folder, name="Holdfast Test"):
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path("openssl.cnf"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        self._key("root")
        openssl("req", "-x509", "-config", self.path("openssl.cnf"), "-extensions", "ca", "-key", self.path("root.key"), "-days", "30",
                "-subj", f"/CN={name} Root", "-out", self.path("root.crt"))  # fmt: skip
        self._key("issuing")
        request = openssl("req", "-new", "-config", self.path("openssl.cnf"), "-key", self.path("issuing.key"), "-subj", f"/CN={name} Issuing")
        self._sign(request, "issuing.crt", "root", "ca")
        self.root = self.path("root.crt")

    def path(self, name):
        return os.path.join(self.folder, name)

    def _key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(f"{name}.key"))

    def _sign(self, request, name, issuer, extensions, days=30, serial=None):
        chosen = ["-set_serial", str(serial)] if serial is not None else []
        openssl("x509", "-req", "-CA", self.path(f"{issuer}.crt"), "-CAkey", self.path(f"{issuer}.key"), "-days", str(days), *chosen,
                "-extfile", self.path("openssl.cnf"), "-extensions", extensions, "-out", self.path(name), data=request)  # fmt: skip
        with open(self.path(name), encoding="ascii") as file:
            return file.read()

    def issue(self, request, days=30, serial=None):
        """The PEM chain for a PKCS#10 request in PEM: the leaf, then who issued it."""
        leaf = self._sign(request.encode(), "leaf.crt", "issuing", "leaf", days, serial)
        with open(self.path("issuing.crt"), encoding="ascii") as file:
            return leaf + file.read()

    def server(self):
        """(certificate, key) files of a TLS server on 127.0.0.1 that this root vouches for."""
        self._key("server")
        request = openssl("req", "-new", "-config", self.path("openssl.cnf"), "-key", self.path("server.key"), "-subj", "/CN=localhost")
        self._sign(request, "server.crt", "root", "server")
        return self.path("server.crt"), self.path("server.key")

    def vouches(self, leaf_der, chain_der):
        """Does plain OpenSSL find a way from this leaf to the root, now?"""
        for name, certificates in (("asked.pem", [leaf_der]), ("between.pem", chain_der)):
            with open(self.path(name), "wb") as file:
                for der in certificates:
                    file.write(openssl("x509", "-inform", "DER", data=der))
        between = ["-untrusted", self.path("between.pem")] if chain_der else []
        found = subprocess.run(["openssl", "verify", "-CAfile", self.root, *between, self.path("asked.pem")], capture_output=True, timeout=60)
        return found.returncode == 0
