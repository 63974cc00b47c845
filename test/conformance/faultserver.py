"""A store that misbehaves, each bucket in its own way.

Usage: faultserver.py DIRECTORY
Prints its two ports, plain and TLS; the certificate of the TLS one is
DIRECTORY/cert.pem, for the name localhost.  Ends with its standard input.
"""
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

counts = {}


def error(status, code, message="", extra="", headers=""):
    body = "<Error><Code>%s</Code><Message>%s</Message>%s</Error>" % (code, message, extra)
    return answer(status, body, headers)


def answer(status, body="", headers=""):
    return ("HTTP/1.1 %s\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\nETag: \"e\"\r\n%sContent-Length: %d\r\n\r\n%s"
            % (status, headers, len(body), body)).encode()


def upload(bucket, request):
    """A step of an upload in parts; None: the connection is closed instead."""
    method, target, _ = request.split(" ")
    query = target.partition("?")[2]
    if method == "GET":
        # how many were taken back
        return answer("200 OK", "x" * counts.get("aborts of " + bucket, 0))
    if method == "DELETE":
        counts["aborts of " + bucket] = counts.get("aborts of " + bucket, 0) + 1
        return answer("204 No Content")
    if "uploads" in query:
        if bucket == "up-nobegin":
            return answer("200 OK", "<html>It works!</html>")
        return answer("200 OK", "<InitiateMultipartUploadResult><UploadId>id&amp;1</UploadId></InitiateMultipartUploadResult>")
    assert "uploadId=id%261" in query, query
    if method == "PUT":
        part = "part of %s %s" % (bucket, query)
        counts[part] = counts.get(part, 0) + 1
        if bucket == "up-denied" and "partNumber=3" in query:
            return error("403 Forbidden", "AccessDenied", "no")
        if bucket == "up-broken" and "partNumber=2" in query:
            return error("500 Internal Server Error", "InternalError", "again")
        if bucket == "up-busy" and counts[part] == 1:
            return error("503 Slow Down", "SlowDown", "too many")
        if bucket == "up-silent" and "partNumber=2" in query:
            time.sleep(60)
        return answer("200 OK")
    if bucket == "up-late":
        return error("200 OK", "InternalError", "it did not work out")
    if bucket == "up-lost":
        return None
    return answer("200 OK", "<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>")


def read_request(conn):
    """The first line of a request, whose body is passed over; None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    length -= len(body)
    while length > 0:
        more = conn.recv(min(length, 1 << 20))
        if not more:
            return None
        length -= len(more)
    return head.split(b"\r\n")[0].decode()


FIXED = {
    "good": answer("200 OK", "data"),
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "cutrange": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nda",
    "nolength": b"HTTP/1.1 200 OK\r\n\r\nperhaps more",
    "garbage": b"SSH-2.0-nothing of HTTP\r\nat all\r\n\r\n",
    "badxml": answer("200 OK", "<ListBucketResult><Contents><Key>a</Key>"),
    "webpage": answer("200 OK", "<html><body>It works!</body></html>"),
    "norange": answer("200 OK", "the whole object"),
    "otherrange": answer("206 Partial Content", "xxxx", "Content-Range: bytes 7-10/20\r\n"),
    "redirect": error("301 Moved Permanently", "PermanentRedirect", "use another endpoint",
                      headers="x-amz-bucket-region: eu-west-3\r\nLocation: http://127.0.0.1:1/\r\n"),
    "region": error("400 Bad Request", "AuthorizationHeaderMalformed", "the region is wrong", "<Region>eu-west-3</Region>"),
    "skew": error("403 Forbidden", "RequestTimeTooSkewed", "the difference is too large"),
    "expired": error("400 Bad Request", "ExpiredToken", "the token"),
    "leak": error("403 Forbidden", "SignatureDoesNotMatch", "you signed with thesecretkey as theaccesskey"),
    "conflict": error("409 Conflict", "ConditionalRequestConflict", "at the same time"),
    "error500": error("500 Internal Server Error", "InternalError", "we do not know"),
    "slowdown": error("503 Slow Down", "SlowDown", "too many", headers="Retry-After: 1\r\n"),
    "web404": answer("404 Not Found", "<html><body>Nothing here</body></html>"),
    "nobucket": error("404 Not Found", "NoSuchBucket", "there is none"),
}
# after which the connection is closed
CLOSING = ("cut", "cutrange", "nolength", "garbage")


def serve(conn):
    served = 0
    with conn:
        while True:
            request = read_request(conn)
            if request is None:
                return
            bucket = request.split(" ")[1].split("/")[1].split("?")[0]
            counts[bucket] = counts.get(bucket, 0) + 1
            if bucket == "silent":
                time.sleep(60)
                return
            if bucket == "slow":
                for byte in answer("200 OK", "data"):
                    conn.sendall(bytes([byte]))
                    time.sleep(1)
                return
            if bucket == "reset" or (bucket == "once" and served > 0):
                return
            if bucket.startswith("up-"):
                reply = upload(bucket, request)
                if reply is None:
                    return
                conn.sendall(reply)
            elif bucket == "once":
                conn.sendall(answer("200 OK", "data"))
            elif bucket == "count":
                # how many writes "once" has got beyond the first request of a connection
                conn.sendall(answer("200 OK", "x" * (counts.get("once", 0) - 1)))
            elif bucket == "huge":
                conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
                for _ in range(1000):
                    conn.sendall(chunk)
            else:
                conn.sendall(FIXED.get(bucket, FIXED["nobucket"]))
                if bucket in CLOSING:
                    return
            served += 1


def serve_quietly(conn):
    try:
        serve(conn)
    except OSError:
        pass


def accept(listener, context):
    while True:
        conn, _ = listener.accept()
        if context is None:
            threading.Thread(target=serve_quietly, args=(conn,), daemon=True).start()
        else:
            threading.Thread(target=serve_tls, args=(conn, context), daemon=True).start()


def serve_tls(conn, context):
    try:
        serve(context.wrap_socket(conn, server_side=True))
    except OSError:
        pass


def main():
    directory = sys.argv[1]
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    ports = []
    for c in (None, context):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        ports.append(listener.getsockname()[1])
        threading.Thread(target=accept, args=(listener, c), daemon=True).start()
    print(*ports, flush=True)
    sys.stdin.read()


main()
