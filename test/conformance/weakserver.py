"""An S3 store in memory that breaks one rule, each bucket another.

Usage: weakserver.py
Prints its port.  Ends with its standard input.

	sound		all is right
	racecreate	If-None-Match is checked first, and the write comes later
	racematch	so is If-Match
	nocreate	If-None-Match is ignored
	nomatch		If-Match is ignored
	upsert		If-Match on a missing object creates it (L40)
	norange		the whole object is sent for any range
	allkeys		a listing shows all keys, whatever prefix is asked for (L16)
	folders		a listing of one level shows its folders on each page
	nodelete	nobody may delete
	notmine		nobody may do anything
	busy		each request is answered 503
	flaky		the first 30 requests are
	lacking		conditional writes are not implemented
	bare		If-Match takes an etag only without its quotes

GET /-/BUCKET tells "requests puts objects most": how many requests came, how
many of them were PUTs, the keys that are there outside of the probe's folder,
and how many PUTs of one key were under way at once at most.

PUT /-/BUCKET with a body "ACT METHOD REGEX" says what becomes of requests of
that method whose path and query match, an empty body that all are answered:
	hang		no answer, until the client goes
	busy		503
	later		503, with Retry-After: 20
METHOD is one of HTTP's, or CAS for a PUT with If-Match.  GET /-/BUCKET?held
tells "held now", how many such requests came since, and how many hang.

GET /-/BUCKET?uploads tells how many uploads in parts were begun and not ended.

GET /-/BUCKET?by=ID tells the requests signed with an access key since this was
last asked, a line each: method and path.
"""
import hashlib
import http.server
import re
import select
import sys
import threading
import time
import urllib.parse
from email.utils import formatdate
from xml.sax.saxutils import escape

BREAKS_RACE = {"racecreate": "If-None-Match", "racematch": "If-Match"}


class Bucket:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.objects = {}
        self.uploads = {}       # parts by number
        self.under_way = {}
        self.signed = {}        # requests by access key
        self.most = 0
        self.requests = 0
        self.puts = 0
        self.rule = None
        self.held = 0
        self.hanging = 0


buckets = {}
buckets_lock = threading.Lock()


def bucket_of(name):
    with buckets_lock:
        return buckets.setdefault(name, Bucket(name))


def etag(data):
    return '"%s"' % hashlib.md5(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if not (self.command == "HEAD" and "Content_Length" in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def error(self, status, code):
        self.reply(status, ("<Error><Code>%s</Code><Message>as told</Message></Error>" % code).encode())

    def begin(self):
        """The bucket and the key; None where the bucket has nothing to say."""
        url = urllib.parse.urlsplit(self.path)
        parts = urllib.parse.unquote(url.path).split("/", 2)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts[1] == "-" and self.command == "PUT":
            b = bucket_of(parts[2])
            b.rule = self.data.decode().split(" ", 2) if self.data else None
            b.held = 0
            self.reply(200)
            return None
        if parts[1] == "-" and "held" in self.query:
            b = bucket_of(parts[2])
            self.reply(200, ("%d %d" % (b.held, b.hanging)).encode())
            return None
        if parts[1] == "-" and "uploads" in self.query:
            self.reply(200, str(len(bucket_of(parts[2]).uploads)).encode())
            return None
        if parts[1] == "-" and "by" in self.query:
            self.reply(200, "\n".join(bucket_of(parts[2]).signed.pop(self.query["by"], [])).encode())
            return None
        if parts[1] == "-":
            b = bucket_of(parts[2])
            keys = [k for k in b.objects if "_supertable_probe/" not in k]
            self.reply(200, ("%d %d %d %d" % (b.requests, b.puts, len(keys), b.most)).encode())
            return None
        b = bucket_of(parts[1])
        with b.lock:
            b.requests += 1
            b.puts += self.command == "PUT"
            n = b.requests
            signer = re.search("Credential=([^/]+)/", self.headers.get("Authorization", ""))
            b.signed.setdefault(signer.group(1) if signer else "", []).append("%s %s" % (self.command, url.path))
        if b.name == "busy" or (b.name == "flaky" and n <= 30):
            self.error(503, "SlowDown")
            return None
        if b.name == "notmine":
            self.error(403, "AccessDenied")
            return None
        if self.is_held(b):
            return None
        self.bucket = b
        self.key = parts[2] if len(parts) > 2 else ""
        return b

    def is_held(self, b):
        """Whether the bucket's rule has dealt with the request."""
        rule = b.rule
        method = "CAS" if self.command == "PUT" and self.headers.get("If-Match") else self.command
        if rule is None or rule[1] != method or not re.search(rule[2], self.path):
            return False
        b.held += 1
        if rule[0] != "hang":
            body = b"<Error><Code>SlowDown</Code></Error>"
            self.reply(503, body, **({"Retry_After": "20"} if rule[0] == "later" else {}))
            return True
        b.hanging += 1
        # readable: the client has gone
        while b.rule is rule and not select.select([self.connection], [], [], 0.1)[0]:
            pass
        b.hanging -= 1
        self.close_connection = True
        return True

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        b = self.begin()
        if b is None:
            return
        if self.key == "":
            self.list()
            return
        found = b.objects.get(self.key)
        if found is None:
            self.error(404, "NoSuchKey")
            return
        data, modified = found
        headers = {"ETag": etag(data), "Last_Modified": formatdate(modified, usegmt=True)}
        wanted = self.headers.get("Range")
        if self.command == "HEAD":
            self.reply(200, b"", Content_Length=str(len(data)), **headers)
        elif wanted and b.name != "norange":
            first, last = (int(x) for x in wanted[len("bytes="):].split("-"))
            if first >= len(data):
                self.reply(416, b"", Content_Range="bytes */%d" % len(data))
                return
            part = data[first:last + 1]
            self.reply(206, part, Content_Range="bytes %d-%d/%d" % (first, first + len(part) - 1, len(data)), **headers)
        else:
            self.reply(200, data, **headers)

    def list(self):
        b = self.bucket
        prefix = "" if b.name == "allkeys" else self.query.get("prefix", "")
        delimiter = self.query.get("delimiter", "")
        after = self.query.get("continuation-token", "")
        limit = int(self.query.get("max-keys", 1000))
        names = {}
        for key in sorted(k for k in list(b.objects) if k.startswith(prefix)):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            names[key[:cut + 1] if cut >= 0 else key] = cut >= 0
        page = [n for n in names if n > after]
        always = []
        if b.name == "folders":
            always = [n for n in names if names[n]]
            page = [n for n in page if not names[n]]
        xml = "<ListBucketResult><IsTruncated>%s</IsTruncated>" % ("true" if len(page) > limit else "false")
        if len(page) > limit:
            xml += "<NextContinuationToken>%s</NextContinuationToken>" % escape(page[limit - 1])
        for name in always + page[:limit]:
            if names[name]:
                xml += "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % escape(name)
            else:
                data, modified = b.objects[name]
                xml += "<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag><LastModified>%s</LastModified></Contents>" % (
                    escape(name), len(data), escape(etag(data)), time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(modified)))
        self.reply(200, (xml + "</ListBucketResult>").encode())

    def may_write(self):
        b = self.bucket
        found = b.objects.get(self.key)
        if self.headers.get("If-None-Match") == "*" and b.name != "nocreate":
            return found is None
        wanted = self.headers.get("If-Match")
        if wanted and b.name != "nomatch":
            if found is None:
                return b.name == "upsert"
            return (etag(found[0]).strip('"') if b.name == "bare" else etag(found[0])) == wanted
        return True

    def do_PUT(self):
        b = self.begin()
        if b is None:
            return
        if "uploadId" in self.query:
            self.put_part()
            return
        if b.name == "lacking" and (self.headers.get("If-Match") or self.headers.get("If-None-Match")):
            self.error(501, "NotImplemented")
            return
        with b.lock:
            b.under_way[self.key] = b.under_way.get(self.key, 0) + 1
            b.most = max(b.most, b.under_way[self.key])
        # long enough that all who are to meet do
        time.sleep(0.02)
        if b.name in BREAKS_RACE and self.headers.get(BREAKS_RACE[b.name]):
            ok = self.may_write()
            time.sleep(0.02)
            if ok:
                b.objects[self.key] = (self.data, time.time())
        else:
            with b.lock:
                ok = self.may_write()
                if ok:
                    b.objects[self.key] = (self.data, time.time())
        with b.lock:
            b.under_way[self.key] -= 1
        if ok:
            self.reply(200, ETag=etag(self.data))
        else:
            self.error(412, "PreconditionFailed")

    def put_part(self):
        parts = self.bucket.uploads.get(self.query["uploadId"])
        if parts is None:
            self.error(404, "NoSuchUpload")
            return
        parts[int(self.query["partNumber"])] = self.data
        self.reply(200, ETag=etag(self.data))

    def do_POST(self):
        b = self.begin()
        if b is None:
            return
        if "uploads" in self.query:
            with b.lock:
                upload = "upload-%d" % b.requests
                b.uploads[upload] = {}
            self.reply(200, ("<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>" % upload).encode())
            return
        parts = b.uploads.pop(self.query.get("uploadId"), None)
        if parts is None:
            self.error(404, "NoSuchUpload")
            return
        data = b"".join(parts[n] for n in sorted(parts))
        b.objects[self.key] = (data, time.time())
        self.reply(200, ("<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>" % escape(etag(data))).encode())

    def do_DELETE(self):
        b = self.begin()
        if b is None:
            return
        if "uploadId" in self.query:
            b.uploads.pop(self.query["uploadId"], None)
            self.reply(204)
            return
        if b.name == "nodelete":
            self.error(403, "AccessDenied")
            return
        b.objects.pop(self.key, None)
        self.reply(204)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
