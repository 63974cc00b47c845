"""Google's XML API, as far as the driver speaks it, in memory: signatures of HMAC
keys, generations as conditions, listings of version 2.  The emulator of GCS has
none of it.

Usage: gsxmlserver.py ACCESS_KEY_ID SECRET_ACCESS_KEY
Prints its port; has a bucket "lake".  Ends with its standard input.
"""
import hashlib
import hmac
import http.server
import sys
import threading
import time
import urllib.parse
from email.utils import formatdate
from xml.sax.saxutils import escape

key_id, secret = sys.argv[1:]
objects = {}
lock = threading.Lock()
generations = iter(range(int(time.time() * 1000000), 1 << 62))


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.send(status, ("<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>refused</Message></Error>" % code).encode())

    def signed_by(self, body):
        """None, or the code of what is wrong."""
        scheme, _, fields = self.headers.get("Authorization", "").partition(" ")
        if scheme != "GOOG4-HMAC-SHA256":
            return "AccessDenied"
        fields = dict(f.strip().split("=", 1) for f in fields.split(","))
        who, day, place, service, end = fields["Credential"].split("/")
        if who != key_id:
            return "InvalidSecurity"
        if self.headers["x-goog-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "SignatureDoesNotMatch"
        path, _, query = self.path.partition("?")
        names = fields["SignedHeaders"].split(";")
        for name, _ in self.headers.items():
            if name.lower().startswith("x-goog-") and name.lower() not in names:
                return "SignatureDoesNotMatch"
        canonical = "\n".join([self.command, path, "&".join(sorted(query.split("&"))) if query else "",
                               "".join("%s:%s\n" % (n, self.headers[n].strip()) for n in names),
                               fields["SignedHeaders"], self.headers["x-goog-content-sha256"]])
        date = self.headers["x-goog-date"]
        scope = "/".join((day, place, service, end))
        if scope != date[:8] + "/auto/storage/goog4_request" or "host" not in names:
            return "SignatureDoesNotMatch"
        to_sign = "\n".join(("GOOG4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        key = ("GOOG4" + secret).encode()
        for part in (day, place, service, end):
            key = mac(key, part)
        return None if mac(key, to_sign).hex() == fields["Signature"] else "SignatureDoesNotMatch"

    def list(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit, after = int(query.get("max-keys", 1000)), query.get("continuation-token", "")
        entries = {}
        with lock:
            for name, (data, generation, made) in objects.items():
                rest = name[len(prefix):]
                if not name.startswith(prefix):
                    continue
                if delimiter and delimiter in rest:
                    entries[prefix + rest[:rest.index(delimiter) + 1]] = None
                else:
                    entries[name] = (len(data), made)
        names = sorted(n for n in entries if n > after)
        body = "<?xml version='1.0'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><EncodingType>url</EncodingType>"
        for name in names[:limit]:
            quoted = urllib.parse.quote(name)
            if entries[name] is None:
                body += "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % quoted
            else:
                body += "<Contents><Key>%s</Key><Size>%d</Size><LastModified>%s</LastModified></Contents>" % (
                    quoted, entries[name][0], time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(entries[name][1])))
        body += "<IsTruncated>%s</IsTruncated>" % ("true" if len(names) > limit else "false")
        if len(names) > limit:
            body += "<NextContinuationToken>%s</NextContinuationToken>" % escape(names[limit - 1])
        self.send(200, (body + "</ListBucketResult>").encode())

    def put(self, name, data):
        wanted = self.headers.get("x-goog-if-generation-match")
        if self.headers.get("cache-control") != "no-store":
            return self.refuse(400, "InvalidArgument")
        with lock:
            now = objects[name][1] if name in objects else 0
            if wanted is not None and int(wanted) != now:
                return self.refuse(412, "PreconditionFailed")
            generation = next(generations)
            objects[name] = (data, generation, time.time())
        self.send(200, b"", [("x-goog-generation", str(generation))])

    def get(self, name):
        with lock:
            found = objects.get(name)
        if found is None:
            return self.refuse(404, "NoSuchKey")
        data, generation, made = found
        headers = [("x-goog-generation", str(generation)), ("Last-Modified", formatdate(made, usegmt=True))]
        wanted = self.headers.get("Range")
        if wanted is None:
            return self.send(200, data, headers)
        first, last = (int(n) for n in wanted[len("bytes="):].split("-"))
        if first >= len(data):
            return self.send(416, b"", [("Content-Range", "bytes */%d" % len(data))])
        part = data[first:last + 1]
        self.send(206, part, headers + [("Content-Range", "bytes %d-%d/%d" % (first, first + len(part) - 1, len(data)))])

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        if path.startswith(("/storage/v1/", "/upload/storage/v1/")):
            return self.send(401, b"Anonymous caller does not have storage.objects.get access")
        problem = self.signed_by(body)
        if problem is not None:
            return self.refuse(403, problem)
        bucket, _, name = path[1:].partition("/")
        if bucket != "lake":
            return self.refuse(404, "NoSuchBucket")
        name = urllib.parse.unquote(name)
        if not name:
            return self.list(dict(urllib.parse.parse_qsl(query)))
        if self.command == "PUT":
            return self.put(name, body)
        if self.command == "DELETE":
            with lock:
                gone = objects.pop(name, None)
            return self.send(204) if gone else self.refuse(404, "NoSuchKey")
        return self.get(name)

    do_GET = do_HEAD = do_PUT = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
