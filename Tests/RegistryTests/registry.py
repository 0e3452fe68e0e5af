#!/usr/bin/env python3
"""A registry for tests that misbehaves as the first component of a repository's name says.

Usage: registry.py [CERTIFICATE KEY]     TLS when both are given

Prints three ports of 127.0.0.1: the registry's, that of another host's server (a storage, a token server), which
shares its contents, and that of a proxy without TLS, for which every name is the registry; then serves until standard
input ends. What was pushed to any name is in all of them.
With LAYOUTS=DIRECTORY in the environment the names layout/NAME are the image layouts DIRECTORY/NAME, byte for byte.
With CLIENTS=FILE in the environment only clients with a certificate of this authority are let in.
With LOGIN in the environment the API's root wants alice:secret. GET /log answers every request so far as {method, path, authorization, range, port, encoding}.
"""
import base64
import hashlib
import http.server
import json
import os
import re
import select
import socket
import ssl
import sys
import threading
import time
import urllib.parse

BLOBS, MANIFESTS, UPLOADS, LOG, COUNTS, TOKENS = {}, {}, {}, [], {}, {}
LOCK = threading.Lock()
PORTS = {}
TLS = len(sys.argv) > 2
SCHEME = "https" if TLS else "http"
LOGIN = "Basic " + base64.b64encode(b"alice:secret").decode()
REPOSITORY = re.compile(r"^/v2/(.+)/(manifests|blobs)/([^/?]+)")
DIRECT = "http://%s/latest/meta-data/"
AWAY = {
    "to-metadata": DIRECT % "169.254.169.254",
    "to-metadata6": DIRECT % "[fd00:ec2::254]",
    "to-mapped": DIRECT % "[::ffff:169.254.169.254]",
    "to-file": "file:///etc/passwd",
    "to-number": DIRECT % "2852039166",
    "to-plain": "http://127.0.0.1:1/",
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def count(key):
    """How often this was asked before."""
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key] - 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *arguments):
        pass

    # Answers

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        length = headers.pop("length", str(len(body)))
        if length is not None:
            self.send_header("Content-Length", length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def error(self, status, code, message, **headers):
        document = {"errors": [{"code": code, "message": message, "detail": None}]}
        self.answer(status, json.dumps(document).encode(), Content_Type="application/json", **headers)

    def cut(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def drip(self, data, step, pause):
        for at in range(0, len(data), step):
            self.wfile.write(data[at:at + step])
            self.wfile.flush()
            time.sleep(pause)

    # Requests

    def start(self):
        self.url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(self.url.query)
        self.port = self.server.server_address[1]
        with LOCK:
            self.path == "/log" or LOG.append({
                "method": self.command, "path": self.path, "authorization": self.headers.get("Authorization"),
                "range": self.headers.get("Range"), "port": next(name for name, port in PORTS.items() if port == self.port),
                "proxy": self.headers.get("Proxy-Authorization"),
                "encoding": self.headers.get("Accept-Encoding")})
        parts = self.url.path.split("/")
        self.mood = parts[2] if len(parts) > 2 and parts[1] == "v2" else ""

    def tags(self):
        """Two a page."""
        last = self.query.get("last", [""])[0]
        with LOCK:
            tags = sorted(tag for tag in MANIFESTS if ":" not in tag and tag > last)
        more = {}
        if self.mood == "endless":
            more["Link"] = f'<{self.url.path}?last=>; rel="next"'
        elif self.mood == "long-tag":
            tags = ["x" * 129]
        elif tags[2:]:
            there = "http://registry.example" if self.mood == "to-away" else ""
            more["Link"] = f'<{there}{self.url.path}?last={tags[1]}>; rel="next"'
        body = json.dumps({"name": "x", "tags": tags[:2] or None}).encode()
        self.answer(200, body, Content_Type="application/json", **more)

    def do_GET(self):
        self.start()
        if self.url.path == "/log":
            with LOCK:
                return self.answer(200, json.dumps(LOG).encode())
        if self.url.path == "/token":
            return self.token()
        if self.url.path.startswith("/storage/"):
            return self.blob(self.url.path.split("/")[-1])
        if not self.is_let_in() or self.is_in_trouble():
            return
        if self.url.path == "/v2/":
            return self.answer(200, b"{}")
        if self.url.path.endswith("/tags/list"):
            return self.tags()
        found = REPOSITORY.match(self.url.path)
        if not found:
            return self.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        if self.mood == "layout":
            self.layout(*found.groups())
        elif found.group(2) == "manifests":
            self.manifest(found.group(3))
        else:
            self.blob_or_redirect(found.group(3))

    do_HEAD = do_GET

    def is_let_in(self):
        given = self.headers.get("Authorization")
        here = f"{SCHEME}://127.0.0.1:{PORTS['own']}"
        realms = {
            "bearer": f"{here}/token", "realm-other": f"{SCHEME}://127.0.0.1:{PORTS['other']}/token",
            "realm-link": "https://169.254.169.254/token", "realm-plain": "http://192.0.2.1/token",
            "realm-site": "https://login.example.net/token", "refused": f"{here}/token"}
        if self.mood == "expiring":
            if TOKENS.get(given, 0) > 0:
                TOKENS[given] -= 1
                return True
            challenge = f'Bearer realm="{here}/token",service="expiring",scope="repository:x:pull"'
        elif self.mood == "basic" or (self.url.path == "/v2/" and "LOGIN" in os.environ):
            if given == LOGIN:
                return True
            challenge = 'Basic realm="tests"'
        elif self.mood == "slow-login":
            if given == LOGIN:
                return True
            self.answer(401, WWW_Authenticate='Basic realm="tests"', length="100")
            self.drip(b" " * 100, 1, 0.2)
            LOG.append({"method": "DRIPPED"})
            return False
        elif self.mood in realms:
            if given == "Bearer let-me-in" and self.mood != "refused":
                return True
            challenge = f'Bearer realm="{realms[self.mood]}",service="tests",scope="repository:x:pull"'
        else:
            return True
        self.error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)
        return False

    def token(self):
        given = self.headers.get("Authorization")
        if given not in (None, LOGIN):
            return self.error(401, "UNAUTHORIZED", "incorrect username or password")
        if "service=expiring" in self.url.query:
            token = f"number-{count('token')}"
            # Good for two requests, whatever is said of its time.
            TOKENS["Bearer " + token] = 2
            return self.answer(200, json.dumps({"token": token, "expires_in": 300}).encode())
        self.answer(200, json.dumps({"token": "let-me-in", "expires_in": 300}).encode())

    def is_in_trouble(self):
        mood, times = self.mood, count((self.mood, self.command))
        if mood == "busy" and times < 2:
            self.error(429, "TOOMANYREQUESTS", "slow down", Retry_After="0")
        elif mood == "patient":
            self.error(429, "TOOMANYREQUESTS", "slow down", Retry_After="86400")
        elif mood == "broken" and times < 2:
            self.error(503, "UNKNOWN", "not now")
        elif mood == "down":
            self.answer(502, b"<html>bad gateway</html>")
        elif mood == "private":
            self.error(403, "DENIED", "requested access to the resource is denied")
        elif mood == "mute":
            time.sleep(30)
        elif mood == "trickle":
            self.answer(200, length="1000")
            self.drip(b" " * 100, 1, 0.1)
        elif mood in ("hints", "preliminary"):
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * (3 if mood == "hints" else 1000))
            return False
        elif mood == "headers":
            self.answer(200, b"{}", **{f"X-{i}": "x" * 1000 for i in range(200)})
        elif mood == "loop":
            self.answer(307, Location=self.path)
        elif mood in AWAY:
            self.answer(307, Location=AWAY[mood])
        else:
            return False
        return True

    def layout(self, repository, kind, name):
        directory = os.path.join(os.environ["LAYOUTS"], repository.split("/", 1)[1])
        if kind == "manifests" and not name.startswith("sha256:"):
            with open(directory + "/index.json") as index:
                name = json.load(index)["manifests"][0]["digest"]
        with open(f"{directory}/blobs/{name.replace(':', '/')}", "rb") as file:
            data = file.read()
        media_type = "application/octet-stream"
        if kind == "manifests":
            media_type = json.loads(data).get("mediaType", media_type)
        self.answer(200, data, Content_Type=media_type, Docker_Content_Digest=name)

    def manifest(self, name):
        if self.mood == "big":
            return self.big_manifest()
        if self.mood == "junk":
            return self.answer(200, b"<html>hello", Content_Type="text/html")
        if self.mood == "deep":
            return self.answer(200, b"[" * 100000, Content_Type="application/vnd.oci.image.manifest.v1+json")
        if name not in MANIFESTS:
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        data, kind = MANIFESTS[name]
        own = digest(data)
        if self.mood == "wrong":
            data = data[:-1] + b" }"
        self.answer(200, data, Content_Type=kind, Docker_Content_Digest=own)

    def big_manifest(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(5 * 1024):
                self.wfile.write(b"400\r\n" + b" " * 1024 + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def blob_or_redirect(self, name):
        if self.mood == "away":
            return self.answer(307, Location=f"{SCHEME}://127.0.0.1:{PORTS['other']}/storage/{name}")
        if self.mood == "away-basic":
            return self.answer(307, Location=f"{SCHEME}://127.0.0.1:{PORTS['other']}/v2/basic/app/blobs/{name}")
        if self.mood == "hops":
            left = int(self.query.get("left", ["5"])[0])
            if left:
                return self.answer(302, Location=f"{self.url.path}?left={left - 1}")
        self.blob(name)

    def blob(self, name):
        if name not in BLOBS:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = BLOBS[name]
        if self.mood == "other":
            data = bytes(len(data))
        if self.mood == "longer":
            data += b"more"
        if self.mood == "shorter":
            data = data[:-4]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if self.mood == "no-range" and wanted:
            return self.error(416, "RANGE_INVALID", "no ranges here")
        start = int(wanted.group(1)) if wanted and self.mood != "cut-whole" else 0
        headers = {"Content_Type": "application/octet-stream"}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if self.mood == "encoded":
            headers["Content_Encoding"] = "gzip"
        rest = data[start:]
        if self.mood == "drip" and count((self.mood, name)) < 1:
            self.answer(200, length=str(len(rest)), **headers)
            return self.drip(rest, 16, 0.1)
        if self.mood in ("cut", "cut-whole", "stall") and count((self.mood, name)) < 3:
            part = rest[: len(rest) // 2 if self.mood != "cut-whole" else len(rest) * (1 + COUNTS[self.mood, name]) // 5]
            self.answer(206 if start else 200, part, length=str(len(rest)), **headers)
            if self.mood == "stall":
                time.sleep(30)
            return self.cut()
        length = None if self.mood in ("longer", "shorter") else str(len(rest))
        if length is None:
            self.close_connection = True
            headers["Connection"] = "close"
        self.answer(206 if start else 200, rest, length=length, **headers)

    # Uploads

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self):
        self.start()
        if self.url.path == "/token":
            form = urllib.parse.parse_qs(self.body().decode())
            if form.get("refresh_token") != ["refresh"] or form.get("grant_type") != ["refresh_token"]:
                return self.error(401, "UNAUTHORIZED", "unknown token")
            return self.answer(200, json.dumps({"access_token": "let-me-in"}).encode())
        self.body()
        if not self.is_let_in() or self.is_in_trouble():
            return
        mount = self.query.get("mount", [""])[0]
        if mount and self.mood == "no-mounts":
            return self.error(405, "UNSUPPORTED", "The operation is unsupported")
        if mount in BLOBS and self.query.get("from") == ["good/app"]:
            return self.answer(201, Location=f"/v2/x/blobs/{mount}")
        with LOCK:
            session = f"{len(UPLOADS)}"
            UPLOADS[session] = b""
        location = f"/v2/{self.mood}/app/blobs/uploads/{session}?_state=abc"
        if self.mood == "upload-away":
            location = "http://169.254.169.254/upload"
        if self.mood == "upload-other":
            location = f"{SCHEME}://127.0.0.1:{PORTS['other']}{location}"
        self.answer(202, Location=location, Range="0-0")

    def do_CONNECT(self):
        self.url, self.mood = urllib.parse.urlsplit(""), ""
        with LOCK:
            LOG.append({"method": "CONNECT", "path": self.path, "proxy": self.headers.get("Proxy-Authorization")})
        if self.path.startswith("forbidden."):
            return self.answer(403, b"no", Connection="close")
        with socket.create_connection(("127.0.0.1", PORTS["own"])) as target:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            ends = {self.connection: target, target: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[end].sendall(data)

    def session(self):
        return self.url.path.split("/")[-1]

    def do_PUT(self):
        self.start()
        if self.mood == "early":
            self.error(413, "SIZE_INVALID", "too large for us", Connection="close")
            self.close_connection = True
            return
        if self.mood == "early-kept":
            # As a proxy that throws the rest away.
            self.error(413, "SIZE_INVALID", "too large for us")
            self.body()
            return
        data = self.body()
        if not self.is_let_in() or self.is_in_trouble():
            return
        found = REPOSITORY.match(self.url.path)
        if found and found.group(2) == "manifests":
            MANIFESTS[found.group(3)] = MANIFESTS[digest(data)] = (data, self.headers["Content-Type"])
            return self.answer(201, Location=self.path, Docker_Content_Digest=digest(data))
        data = UPLOADS.pop(self.session(), b"") + data
        if [digest(data)] != self.query.get("digest"):
            return self.error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        BLOBS[digest(data)] = data
        self.answer(201, Location=f"/v2/x/blobs/{digest(data)}")

    def do_DELETE(self):
        self.start()
        UPLOADS.pop(self.session(), None)
        self.answer(204)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass

    def finish_request(self, request, address):
        if TLS and self.server_address[1] != PORTS.get("proxy"):
            request = CONTEXT.wrap_socket(request, server_side=True)
        super().finish_request(request, address)


if TLS:
    CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CONTEXT.load_cert_chain(sys.argv[1], sys.argv[2])
    if "CLIENTS" in os.environ:
        CONTEXT.verify_mode = ssl.CERT_REQUIRED
        CONTEXT.load_verify_locations(os.environ["CLIENTS"])
for place in ("own", "other", "proxy"):
    server = Server(("127.0.0.1", 0), Handler)
    PORTS[place] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(*PORTS.values(), flush=True)
sys.stdin.read()
