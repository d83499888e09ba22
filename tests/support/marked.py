"""A key that is marked, the forms in which it travels, and a venue that repeats it."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote

MARK = "mArK3d-s3cr3t/k&y+0123456789"
FORMS = {
    MARK,
    quote(MARK, safe=""),
    json.dumps(MARK)[1:-1],
    base64.b64encode(MARK.encode()).decode().rstrip("="),
    base64.b64encode(f"user:{quote(MARK, safe='')}".encode()).decode().rstrip("="),
}


class Parrot(BaseHTTPRequestHandler):
    """A venue that repeats in its error whatever it was told, as real ones do with signatures and keys."""

    def do_GET(self) -> None:
        body = json.dumps({"code": -1, "msg": f"{MARK} {self.path} {dict(self.headers)} signature={MARK}"}).encode()
        self.send_response(401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return
