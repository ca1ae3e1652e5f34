"""A certificate zoo, made with openssl(1): what a TLS user meets, good and bad."""
import os
import ssl
import subprocess
import time

import lab


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Zoo:
    """Files in one directory. `ca.crt` signs `NAME.crt`; `NAME.pem` holds certificate and key."""

    def __init__(self, d):
        self.d = d
        self.authority("ca", "Test CA")
        self.authority("other-ca", "Another CA")
        self.leaf("server", "localhost", "DNS:localhost,IP:127.0.0.1,IP:::1")
        self.leaf("expired", "localhost", "DNS:localhost", start="20200101000000Z", end="20200201000000Z")
        self.leaf("soon", "localhost", "DNS:localhost", start="20200101000000Z", end=time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 5 * 86400)))
        self.leaf("future", "localhost", "DNS:localhost", start="20450101000000Z", end="20460101000000Z")
        self.leaf("wrong-name", "elsewhere.test", "DNS:elsewhere.test")
        self.leaf("wildcard", "wild", "DNS:*.example.test")
        self.leaf("partial", "partly", "DNS:f*.example.test")
        self.leaf("cn-only", "localhost", None)
        self.leaf("typed", "[::1]", None)
        self.leaf("typed-dns", "[::1]", "DNS:elsewhere.test")
        self.leaf("typed-ip", "[::1]", "IP:127.0.0.1")
        self.leaf("ip-only", "nobody", "IP:127.0.0.1")
        self.leaf("wrong-ca", "localhost", "DNS:localhost", ca="other-ca")
        self.leaf("client", "alice", "email:alice@example.test", subject="/C=XY/O=clientorg/CN=alice")
        self.leaf("stranger", "mallory", "DNS:mallory", ca="other-ca")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self / "self.key", "-out",
                self / "self.crt", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        self.join("self")
        openssl("dsaparam", "-out", self / "dsa.params", "2048")
        openssl("gendsa", "-out", self / "dsa.key", self / "dsa.params")
        self.sign("dsa", "/CN=localhost", "subjectAltName=DNS:localhost\n", "ca")
        self.join("dsa")
        self.authority("middle", "Middle CA", ca="ca")
        self.leaf("chained", "localhost", "DNS:localhost", ca="middle")
        self.write("chained.pem", self.read("chained.crt") + self.read("middle.crt") + self.read("chained.key"))
        self.write("unchained.pem", self.read("chained.crt") + self.read("chained.key"))
        openssl("pkey", "-in", self / "server.key", "-aes128", "-passout", "pass:secret", "-out", self / "locked.key")
        self.write("locked.pem", self.read("server.crt") + self.read("locked.key"))
        openssl("rehash", self.hashed())

    def __truediv__(self, name):
        return os.path.join(self.d, name)

    def read(self, name):
        with open(self / name, encoding="ascii") as f:
            return f.read()

    def write(self, name, text):
        with open(self / name, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(self / name, 0o600)

    def join(self, name):
        self.write(name + ".pem", self.read(name + ".crt") + self.read(name + ".key"))

    def hashed(self):
        """A directory for capath."""
        d = self / "hashed"
        os.mkdir(d)
        with open(os.path.join(d, "ca.pem"), "w", encoding="ascii") as f:
            f.write(self.read("ca.crt"))
        return d

    def key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self / f"{name}.key")

    def sign(self, name, subject, extensions, ca, start=None, end=None):
        self.write(name + ".ext", extensions)
        openssl("req", "-new", "-key", self / f"{name}.key", "-subj", subject, "-out", self / f"{name}.csr")
        if start:                       # only `ca` can date back
            self.write("index.txt", "")
            self.write("ca.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={self / 'index.txt'}\nnew_certs_dir={self.d}\nserial={self / 'serial'}\n"
                       "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
            self.write("serial", "1000\n")
            openssl("ca", "-batch", "-config", self / "ca.cnf", "-cert", self / f"{ca}.crt", "-keyfile", self / f"{ca}.key", "-in", self / f"{name}.csr",
                    "-out", self / f"{name}.crt", "-startdate", start, "-enddate", end, "-extfile", self / f"{name}.ext", "-notext")
        else:
            openssl("x509", "-req", "-in", self / f"{name}.csr", "-CA", self / f"{ca}.crt", "-CAkey", self / f"{ca}.key", "-CAcreateserial", "-days", "30",
                    "-extfile", self / f"{name}.ext", "-out", self / f"{name}.crt")

    def authority(self, name, cn, ca=None):
        self.key(name)
        if ca:
            self.sign(name, f"/CN={cn}", "basicConstraints=critical,CA:TRUE\n", ca)
        else:
            openssl("req", "-x509", "-new", "-key", self / f"{name}.key", "-subj", f"/CN={cn}", "-days", "30", "-out", self / f"{name}.crt")

    def forged(self, name, text):
        """A server certificate whose commonName and DNS name are the bytes @text, whatever they are. Nobody trusts it."""
        stand_in = "x" * len(text)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self / f"{name}.key", "-out",
                self / f"{name}.crt", "-days", "30", "-utf8", "-subj", f"/CN={stand_in}", "-addext", f"subjectAltName=DNS:{stand_in}")
        der = ssl.PEM_cert_to_DER_cert(self.read(f"{name}.crt"))
        self.write(f"{name}.crt", ssl.DER_cert_to_PEM_cert(der.replace(stand_in.encode(), text)))
        self.join(name)

    def leaf(self, name, cn, alternative, ca="ca", subject=None, start=None, end=None):
        self.key(name)
        self.sign(name, subject or f"/CN={cn}", f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n", ca, start, end)
        self.join(name)


def zoo_if_any(tmp_path_factory):
    """A zoo, or None where the program or the machine has no OpenSSL."""
    try:
        return Zoo(str(tmp_path_factory.mktemp("zoo"))) if lab.has("OPENSSL") else None
    except FileNotFoundError:
        return None
