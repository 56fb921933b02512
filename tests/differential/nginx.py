"""nginx as a peer of the comparison: the bytes of a case go to a real nginx of the test's own, which passes what it
accepts to a backend that records it."""

import contextlib
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

LIMIT = 30.0
PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NO_HOST = "no-host.invalid"  # $host of a request that names none
# Fields that nginx makes anew for its own connection to the backend.
OWN_FIELDS = {"host", "connection", "content-length", "transfer-encoding", "te", "keep-alive", "expect", "upgrade"}

# Nothing is changed that need not be: every field passes, whole bodies are read first, and the limits are above ours.
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  large_client_header_buffers 8 160k; client_max_body_size 0; client_body_buffer_size 256k;
  ignore_invalid_headers off; underscores_in_headers on; keepalive_requests 100000;
  server {{
    listen unix:{folder}/front; server_name {no_host};
    location / {{
      proxy_pass http://unix:{folder}/back:;
      proxy_http_version 1.1; proxy_request_buffering on; proxy_next_upstream off; proxy_ignore_client_abort on;
      proxy_set_header Host $http_host;
      proxy_set_header X-Nginx-Host $host; proxy_set_header X-Nginx-Request $request;
    }}
  }}
}}
"""


class Nginx:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-nginx-"))
        self.recorded = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "back"))
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=self.folder, no_host=NO_HOST))
        self.process = subprocess.Popen(
            [PROGRAM, "-p", self.folder, "-c", config, "-e", self.folder / "error.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def has_started(self):
        if self.process.poll() is not None:
            raise AssertionError(f"nginx did not start: {self.process.stderr.read().decode()}")
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            sock.connect(str(self.folder / "front"))
            return True
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self):
        """The backend: each connection brings one request; its number goes back in the response."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(LIMIT)
                message = self.record(connection)
                if message is not None:
                    self.recorded.append(message)
                    answer = f"HTTP/1.1 299 Recorded\r\nX-Number: {len(self.recorded) - 1}\r\nContent-Length: 0\r\n\r\n"
                    connection.sendall(answer.encode())

    def record(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(1 << 20)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        # The space around a value is no part of it (RFC 9110, 5.5): compared is what the backend reads.
        fields = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)]
        known = {name.lower(): value for name, value in fields}
        while len(body) < int(known.get("content-length", 0)):
            body += connection.recv(1 << 20)
        method, rest = start.split(" ", 1)
        return {"method": method, "target": rest.rpartition(" ")[0], "body": body.decode("latin-1"),
                "http_host": known.get("host", ""), "host": known["x-nginx-host"], "request": known["x-nginx-request"],
                "complete": True,
                "headers": [[name, value] for name, value in fields
                            if name.lower() not in OWN_FIELDS | {"x-nginx-host", "x-nginx-request"}]}

    def read(self, data):
        """What nginx makes of these bytes and the client's end: {"messages": [...], "end": ...} as the drivers say it."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LIMIT)
            sock.connect(str(self.folder / "front"))
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := sock.recv(1 << 20):
                    answer += piece
        result = {"messages": [], "end": "more"}
        while answer:
            head, _, rest = answer.partition(b"\r\n\r\n")
            status = re.match(rb"HTTP/1\.1 (\d{3})", head)
            if status and status[1] == b"100":
                answer = rest
            elif status and status[1] == b"299":
                message = self.recorded[int(re.search(rb"X-Number: (\d+)", head)[1])]
                message["last"] = b"\r\nConnection: close" in head
                result["messages"].append(message)
                answer = rest
            else:
                result.update(end="refused", why=f"status {status[1].decode()}" if status else "no HTTP/1 answer")
                break
        return result
