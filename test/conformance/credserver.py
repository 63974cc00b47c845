"""The services of clouds that give out credentials, and stores that tell what they were sent.

Usage: credserver.py DIRECTORY
Prints its two ports, plain and TLS; DIRECTORY gets cert.pem (for the name
localhost) and account.pem, the private key whose public part the token endpoint
knows.  Ends with its standard input.
"""
import base64
import collections
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

directory = sys.argv[1]
counts = collections.Counter()
lock = threading.Lock()
EMAIL = "writer@project.iam.gserviceaccount.com"
XML = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>SECRET-web</SecretAccessKey><SessionToken>SECRET-session</SessionToken>
<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def number(name):
    with lock:
        counts[name] += 1
        return counts[name]


def later(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + seconds)) + "Z"


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def assertion_is_good(assertion):
    """Whether the account's key has signed it, and it says what Google wants to hear."""
    signed, _, signature = assertion.rpartition(".")
    name = os.path.join(directory, "signature-%d" % threading.get_ident())
    with open(name, "wb") as f:
        f.write(decode(signature))
    good = subprocess.run(["openssl", "dgst", "-sha256", "-verify", os.path.join(directory, "account.pub"), "-signature", name],
                          input=signed.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    os.unlink(name)
    header, claims = (json.loads(decode(p)) for p in signed.split("."))
    return (good and header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"} and claims["iss"] == EMAIL and
            claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_write" and
            claims["aud"].endswith("/token") and abs(claims["iat"] - time.time()) < 60 and claims["exp"] == claims["iat"] + 3600)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", **headers):
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def keys(self, name, seconds=3600):
        n = number(name)
        self.send(200, {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIA%s%d" % (name.upper(), n),
                        "SecretAccessKey": "SECRET-%s" % name, "Token": "SECRET-token-%d" % n, "Expiration": later(seconds)})

    def instance(self, name, path):
        """The metadata service of an EC2 instance, of several characters."""
        if name == "silent":
            time.sleep(20)
            return
        if name in ("forbidden", "broken"):
            self.send(403 if name == "forbidden" else 500, "SECRET-of-the-service")
        elif path == "latest/api/token":
            ok = self.command == "PUT" and int(self.headers.get("x-aws-ec2-metadata-token-ttl-seconds", 0)) > 60
            self.send(200 if ok else 400, "SECRET-session-%s" % name)
        elif self.headers.get("x-aws-ec2-metadata-token") != "SECRET-session-%s" % name:
            self.send(401)
        elif path == "latest/meta-data/iam/security-credentials/":
            self.send(404 if name == "norole" else 200, "the-role")
        elif name == "garbage":
            self.send(200, '{"AccessKeyId": "ASIA", "SecretAccessKey": "SECRET')
        elif name == "inject":
            self.send(200, {"AccessKeyId": "ASIA", "SecretAccessKey": "SECRET-x", "Token": "a\r\nx-evil: 1"})
        elif path == "latest/meta-data/iam/security-credentials/the-role":
            self.keys(name, 4 if name == "short" else 3600)
        else:
            self.send(404)

    def token(self, form):
        """The token endpoint of Google."""
        if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            ok = assertion_is_good(form["assertion"])
        else:
            ok = form == {"grant_type": "refresh_token", "client_id": "the-client", "client_secret": "SECRET-client", "refresh_token": "SECRET-refresh"}
        if ok:
            self.send(200, {"access_token": "SECRET.google%d" % number("token"), "expires_in": 3599, "token_type": "Bearer"})
        else:
            self.send(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        form = dict(urllib.parse.parse_qsl(body))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.lstrip("/").split("/", 2)
        if parts[0] == "imds":
            self.instance(parts[1], parts[2])
        elif url.path == "/ecs":
            if self.headers.get("Authorization") == "SECRET-container":
                self.keys("ecs")
            else:
                self.send(403)
        elif url.path == "/sts":
            if form.get("WebIdentityToken") == "SECRET-identity" and form.get("RoleArn") == "arn:aws:iam::1:role/x" and form["Action"] == "AssumeRoleWithWebIdentity":
                self.send(200, XML % later(3600))
            else:
                self.send(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>the role does not trust it</Message></Error></ErrorResponse>")
        elif url.path.startswith("/computeMetadata/"):
            ok = self.headers.get("Metadata-Flavor") == "Google" and url.path.endswith("/instance/service-accounts/default/token")
            self.send(200 if ok else 403, {"access_token": "SECRET.gce%d" % number("gce"), "expires_in": 4, "token_type": "Bearer"})
        elif url.path == "/token":
            self.token(form)
        elif url.path == "/metadata/identity/oauth2/token":
            ok = self.headers.get("Metadata") == "true" and query["resource"] == "https://storage.azure.com/"
            self.send(200 if ok else 400, {"access_token": "SECRET.azure-" + query.get("client_id", "system"), "expires_in": "86399", "token_type": "Bearer"})
        elif url.path == "/app":
            ok = self.headers.get("X-IDENTITY-HEADER") == "SECRET-identity" and query["api-version"] == "2019-08-01"
            self.send(200 if ok else 403, {"access_token": "SECRET.app", "expires_on": str(int(time.time()) + 3600)})
        elif url.path == "/the-tenant/oauth2/v2.0/token":
            ok = form.get("client_assertion") == "SECRET-identity" or form.get("client_secret") == "SECRET-client"
            self.send(200 if ok else 401, {"access_token": "SECRET.entra", "expires_in": 3599} if ok else {"error": "invalid_client", "error_description": "AADSTS7000215"})
        elif parts[0] == "s3-echo":
            credential = self.headers.get("Authorization", "none/").split("Credential=")[-1].split("/")[0]
            self.send(200, "%s %s" % (credential, self.headers.get("x-amz-security-token", "none")))
        elif url.path.startswith("/theaccount/az-echo/"):
            self.send(200, "%s %s" % (self.headers.get("Authorization", "none").split(":")[0], url.query))
        elif url.path.startswith("/storage/v1/b/gs-echo/"):
            self.send(200, self.headers.get("Authorization", "none"), x_goog_generation="1")
        elif parts[0] == "count":
            self.send(200, str(counts[parts[1]]))
        else:
            self.send(404)

    do_GET = do_PUT = do_POST = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass


def main():
    for name, command in (("account.pem", ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "account.pem"]),
                          ("account.pub", ["openssl", "pkey", "-in", "account.pem", "-pubout", "-out", "account.pub"]),
                          ("cert.pem", ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                                        "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.pem", "-out", "cert.pem"])):
        subprocess.run(command, check=True, cwd=directory, stderr=subprocess.DEVNULL)
    plain = Server(("127.0.0.1", 0), Handler)
    tls = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "tls.pem"))
    tls.socket = context.wrap_socket(tls.socket, server_side=True)
    for server in (plain, tls):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(plain.server_port, tls.server_port, flush=True)
    sys.stdin.read()


main()
