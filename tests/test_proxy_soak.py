"""A million requests through one proxy: its memory does not grow."""

import time
import unittest

import proxies
from proxies import until

REQUESTS = 30_000 if proxies.IS_SANITIZED else 1_000_000
WARM_UP = REQUESTS // 10
SAMPLES = 40
# What may still be touched for the first time after the warm-up, and what the access log keeps once its thread had to wait for
# the machine (max_spare batches of 32 KiB, src/export/access_log.cpp); a leak of three bytes a request would be as much.
MOST_GROWTH_KIB = proxies.ASAN_KEEPS_KIB + 1024 + 64 * 32
# So many seconds of load at a time, until there are enough requests.
ROUND_SECONDS = 4


def plot(points):
    """Lines of text: requests, KiB and a bar that shows what is above the least; a full one is what is permitted."""
    least = min(kib for _, kib in points)
    span = MOST_GROWTH_KIB
    return "\n".join(f"{count:>9,} requests {kib:>7,} KiB {'#' * (1 + 40 * (kib - least) // span)}"
                     for count, kib in points)


class Soak(proxies.ProxyTest):
    def test_a_million_requests(self):
        ends = self.ends()
        self.port = proxies.free_port()
        weft = self.proxy(proxies.config(self.port, [ends.backend]), flags=["--access-log=/dev/null"])
        points, responses = [], 0
        while responses < REQUESTS:
            ends.start(self.port, ROUND_SECONDS, 32)
            while not ends.is_over():
                count = weft.metric("istio_requests_total")
                if count >= WARM_UP and count >= WARM_UP + len(points) * (REQUESTS - WARM_UP) / SAMPLES:
                    points.append((int(count), proxies.rss_kib(weft.pid)))
                time.sleep(0.05)
            answered, failed = ends.result()
            self.assertEqual(failed, 0)
            responses += answered
        self.assertEqual(weft.metric("istio_requests_total", response_code="200"), responses)
        until(weft.rests, "the load is gone")
        points.append((responses, proxies.rss_kib(weft.pid)))
        print(plot(points))
        self.assertLess(points[-1][1] - points[0][1], MOST_GROWTH_KIB)


if __name__ == "__main__":
    unittest.main()
