"""Takes orders from the queue, one after the other, and packs them."""

import os
import socket
import time

import psycopg2


def orders():
    """The next order from the queue, again and again."""
    wait = b"*3\r\n$5\r\nBRPOP\r\n$6\r\norders\r\n$1\r\n0\r\n"
    while True:
        try:
            with socket.create_connection(
                    (os.environ["QUEUE_SERVICE_HOST"], int(os.environ["QUEUE_SERVICE_PORT"]))) as queue:
                lines = queue.makefile("rb")
                while True:
                    queue.sendall(wait)
                    # *2, $6, orders, $N, N
                    answer = [lines.readline() for _ in range(5)]
                    yield int(answer[4])
        except (OSError, ValueError):
            time.sleep(0.2)


def pack(order):
    while True:
        try:
            connection = psycopg2.connect(os.environ["DATABASE"], connect_timeout=2)
            with connection, connection.cursor() as cursor:
                cursor.execute("update orders set packed = true where id = %s", (order,))
            connection.close()
            return
        except psycopg2.OperationalError:
            time.sleep(0.2)


for number in orders():
    pack(number)
    print(f"packed order {number}")
