"""POST /orders takes an order, GET /orders tells how many there are and how many are packed."""

import http.server
import json
import os
import socket
import time
import urllib.request

import psycopg2

# Longer than a database takes to start again.
PATIENCE = 20.0


def in_database(work):
    """Runs `work` in a transaction; a database that is being started again is waited for."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection = psycopg2.connect(os.environ["DATABASE"], connect_timeout=2)
            with connection, connection.cursor() as cursor:
                result = work(cursor)
            connection.close()
            return result
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def charge(what):
    request = urllib.request.Request(os.environ["PAYMENTS_URL"] + "/charges", data=what.encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["receipt"]


def enqueue(order):
    words = ["LPUSH", "orders", str(order)]
    text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection((os.environ["QUEUE_SERVICE_HOST"], int(os.environ["QUEUE_SERVICE_PORT"]))) as queue:
        queue.sendall(text.encode())
        queue.recv(100)


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer({})

        def count(cursor):
            cursor.execute("select count(*), count(*) filter (where packed) from orders")
            return cursor.fetchone()
        orders, packed = in_database(count)
        return self.answer({"orders": orders, "packed": packed})

    def do_POST(self):
        what = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        receipt = charge(what)

        def write(cursor):
            cursor.execute("insert into orders (what, receipt) values (%s, %s) returning id", (what, receipt))
            return cursor.fetchone()[0]
        order = in_database(write)
        enqueue(order)
        return self.answer({"order": order, "receipt": receipt})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Api).serve_forever()
