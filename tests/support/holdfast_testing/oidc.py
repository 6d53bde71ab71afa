"""A stock web server that protects a page with tokens: Apache httpd with mod_auth_openidc as OAuth 2.0 resource server.

It fetches the JWK Set from an address, as a service would; a server of ours hands out what the daemon says.
"""

import http.client
import http.server
import json
import os
import ssl
import subprocess
import threading

from holdfast_testing.processes import accepts_port, end, free_ports, start, wait_until

MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc")

CONFIG = """\
ServerName localhost
Listen 127.0.0.1:{port}
ServerRoot {folder}
DocumentRoot {folder}/pages
DefaultRuntimeDir {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
Mutex pthread default
{user}
{modules}
OIDCOAuthVerifyJwksUri {jwks_uri}
OIDCOAuthSSLValidateServer Off
OIDCJWKSRefreshInterval 300
OIDCCryptoPassphrase only-for-this-test
OIDCCacheType shm
<Location />
  AuthType oauth20
  Require claim aud:{audience}
</Location>
"""


class JwksServer:
    """GET anything: what jwks() returns then, as JSON; `fetched` counts. TLS, because mod_auth_openidc wants no less."""

    def __init__(self, folder, jwks):
        self.fetched = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.fetched += 1
                data = json.dumps(jwks()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/jwk-set+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        key, certificate = os.path.join(folder, "jwks.key"), os.path.join(folder, "jwks.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                        "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.uri = f"https://127.0.0.1:{self.server.server_address[1]}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Apache:
    def __init__(self, folder, jwks_uri, audience):
        self.folder = os.path.abspath(folder)
        os.makedirs(os.path.join(self.folder, "pages"))
        with open(os.path.join(self.folder, "pages", "orders"), "w", encoding="utf-8") as page:
            page.write("the orders")
        self.port = free_ports(1)[0]
        config = os.path.join(self.folder, "httpd.conf")
        with open(config, "w", encoding="utf-8") as file:
            modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
            # Its workers may not be root, and keep their files in the folder.
            user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
            file.write(CONFIG.format(port=self.port, folder=self.folder, user=user, modules=modules, jwks_uri=jwks_uri, audience=audience))
        self.log = os.path.join(self.folder, "httpd.log")
        self.process = start(["/usr/sbin/apache2", "-DFOREGROUND", "-f", config], self.log)
        wait_until(self._up, 20, f"Apache listens (see {self.folder})")

    def _up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"Apache ended with {self.process.returncode}:\n{self.log_text()}")
        return accepts_port(self.port)

    def log_text(self):
        text = ""
        for name in ("httpd.log", "error.log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as log:
                    text += log.read()
        return text

    def get(self, token=None):
        """(status, body) of the protected page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/orders", headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
