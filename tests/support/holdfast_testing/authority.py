"""A certificate authority of the test's own, made with the openssl program."""

import datetime
import os
import subprocess

CONFIG = """\
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
rand_serial = yes
unique_subject = no
policy = anything
[anything]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
[req]
distinguished_name = nothing
[nothing]
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
[encipherment]
keyUsage = critical,keyEncipherment
[bare]
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
"""


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def asn1_time(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Authority:
    """A root, or one below `parent`; `pem` is its certificate."""

    def __init__(self, folder, name="Test Root", parent=None):
        self.folder = folder
        os.makedirs(folder)
        self.config = self._write("openssl.cnf", CONFIG.format(folder=folder))
        self._write("index", "")
        key = os.path.join(folder, "ca.key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        new = ["req", "-new", "-config", self.config, "-key", key, "-subj", f"/O=Example/CN={name}"]
        if parent:
            self.pem = parent.issue(openssl(*new), extensions="authority")
        else:
            self.pem = openssl(*new, "-x509", "-days", "3650", "-extensions", "authority")
        self._write("ca.pem", self.pem)

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def issue(self, csr, days=30, begins=-1, extensions="leaf", subject=()):
        """The certificate for a PKCS#10 request, valid from `begins` days from now to `days`."""
        request, certificate = self._write("request.pem", csr), os.path.join(self.folder, "issued.pem")
        openssl("ca", "-batch", "-notext", "-config", self.config, "-extensions", extensions, "-in", request, "-out", certificate,
                "-startdate", asn1_time(begins), "-enddate", asn1_time(days), *subject)  # fmt: skip
        with open(certificate, encoding="ascii") as file:
            return file.read()
