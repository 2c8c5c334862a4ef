"""Servers of small MNIST files, on this machine: good ones, and ones that misbehave in every way."""

import gzip
import hashlib
import http.server
import threading
from contextlib import contextmanager, suppress

from tests.datasets.mnist_writers import STEMS, idx_bytes, make_arrays
from tinynet.datasets.spec import RemoteFile

ARRAYS = make_arrays()
CONTENTS = {f"{stem}.gz": idx_bytes(ARRAYS[key]) for key, stem in STEMS.items()}
FILES = [RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items()]
PACKED = {name: gzip.compress(data) for name, data in CONTENTS.items()}
IMAGES = FILES[0].name


def send(handler, data, length=None):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    handler.end_headers()
    handler.wfile.write(data)


def good(handler, name):
    send(handler, PACKED[name])


def compressed_anew(handler, name):
    send(handler, gzip.compress(CONTENTS[name], 1))


def unpacked_on_the_way(handler, name):
    send(handler, CONTENTS[name])


def absent(handler, name):
    handler.send_error(404)


def wrong(handler, name):
    send(handler, gzip.compress(CONTENTS[name][:-1] + b"\x01"))


def web_page(handler, name):
    send(handler, b"<html>Please log in</html>")


def truncated(handler, name):
    send(handler, PACKED[name][:-10], len(PACKED[name]))


def truncated_without_length(handler, name):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(PACKED[name][:-10])


def endless(handler, name):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(2**16))


def silent(handler, name):
    handler.server.released.wait(20)


def dripping(handler, name):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b"\x1f")
        handler.wfile.flush()


@contextmanager
def serve(behave):
    """Serve on a free port; give the URL, and the list that collects what is asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rsplit("/", 1)[-1]
            asked.append(name)
            with suppress(OSError):  # of a client that has gone
                behave(self, name)
            self.close_connection = True

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mnist/", asked
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
