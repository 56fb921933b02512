"""What a route of `weft proxy --config` may ask of a request and do with it, with real clients."""

import json
import unittest

import http2
import proxies
from proxies import answers, reply


class Routes(proxies.ProxyTest):
    def start_with(self, *routes, **listener):
        """Backends that answer with their names and the target, behind these routes."""
        self.port = proxies.free_port()
        names = ("stable", "canary")
        apps = {name: self.backend(answers(lambda request, name=name: reply(f"{name} {request.target}".encode())))
                for name in names}
        self.weft = self.proxy({
            "version": 1,
            "listeners": [{"name": "web", "address": f"127.0.0.1:{self.port}", "routes": list(routes), **listener}],
            "clusters": [{"name": name, "endpoints": [app.address]} for name, app in apps.items()]})

    def test_redirect_is_followed(self):
        self.start_with({"prefix": "/old", "redirect": {"prefix": "/new", "code": 301}}, {"cluster": "stable"})
        printed = self.curl("--location", self.url("/old/a%20b?q=[1]"), "--globoff", "--write-out",
                            " %{http_code} %{num_redirects} %{num_connects} %{url_effective}")
        self.assertEqual(printed.decode(), f"stable /new/a%20b?q=[1] 200 1 1 {self.url('/new/a%20b?q=[1]')}")

    def test_a_redirect_leads_to_no_host_of_the_path(self):
        self.start_with({"prefix": "/", "redirect": {"scheme": "https", "prefix": "/"}})
        response = self.connect().ask("//evil.example/%0d%0aset-cookie:a")
        self.assertEqual((response.status, response.all("location")),
                         (302, ["https://shop.example//evil.example/%0d%0aset-cookie:a"]))

    def test_method_and_headers(self):
        self.start_with({"prefix": "/", "method": "GET", "headers": {"X-Version": "canary"}, "cluster": "canary"},
                        {"prefix": "/", "hasHeaders": ["x-debug"], "reply": {"status": 403, "body": "no\n"}},
                        {"cluster": "stable"})
        for arguments, expected in (((), "stable / 200"),
                                    (("--header", "x-version: canary"), "canary / 200"),
                                    (("--header", "x-version: canaries"), "stable / 200"),
                                    (("--header", "x-version: canary", "--request", "PUT"), "stable / 200"),
                                    (("--header", "X-Debug;"), "no\n 403")):
            with self.subTest(arguments):
                self.assertEqual(self.curl(*arguments, self.url(), "--write-out", " %{http_code}").decode(), expected)

    def test_queries(self):
        self.start_with({"prefix": "/", "query": {"v": "2"}, "hasQuery": ["debug"], "cluster": "canary"},
                        {"cluster": "stable"})
        client = self.connect()
        for target, expected in (("/x?v=2&debug", "canary"), ("/x?debug=1&v=2&v=3", "canary"), ("/x?v=2", "stable"),
                                 ("/x?v=3&v=2&debug", "stable"), ("/x?v=%32&debug", "stable"), ("/x", "stable")):
            with self.subTest(target):
                self.assertEqual(client.ask(target).body.decode(), f"{expected} {target}")

    @unittest.skipIf(http2.h2 is None, http2.NEEDS)
    def test_headers_are_changed(self):
        """For a service of HTTP/2; proxy/rewrite_test.cpp has it for HTTP/1.1."""
        seen = []
        app = self.backend(http2.answers(lambda server, stream: (seen.append(stream), server.reply(stream))))
        self.port = proxies.free_port()
        self.weft = self.proxy({
            "version": 1, "clusters": [{"name": "app", "protocol": "http2", "endpoints": [app.address]}],
            "listeners": [{"address": f"127.0.0.1:{self.port}", "routes": [
                {"cluster": "app", "setHeaders": {"X-Stage": "50%"}, "addHeaders": {"x-way": "edge"},
                 "removeHeaders": ["X-Debug"]}]}]})
        self.connect().ask(fields="X-Stage: main\r\nx-stage: other\r\nX-Way: client\r\nx-debug: 1\r\n")
        request, = seen
        self.assertEqual((request.all("x-stage"), request.all("x-way"), request.all("x-debug")),
                         (["50%"], ["client", "edge"], []))

    def test_conditions_find_what_is_believed(self):
        route = {"prefix": "/", "headers": {"x-forwarded-proto": "https"}, "reply": {"body": "believed"}}
        self.start_with(route, {"reply": {"body": "no"}}, trustedHops=1)
        self.assertEqual(self.connect().ask(fields="x-forwarded-proto: https\r\n").body, b"believed")

    def test_weights(self):
        self.start_with({"to": [{"cluster": "stable", "weight": 3}, {"cluster": "canary", "weight": 1}]})
        client, canaries, count = self.connect(), 0, 1200
        for _ in range(count):
            canaries += client.ask().body.startswith(b"canary")
        # 300 are expected; seven standard deviations of the binomial are 105.
        self.assertLess(abs(canaries - count / 4), 105)

    def test_a_reply_is_logged_and_shown(self):
        action = {"status": 503, "body": "closed\n"}
        self.port = proxies.free_port()
        log = self.file("access.log")
        self.weft = self.proxy({"version": 1, "clusters": [], "listeners": [
            {"name": "web", "address": f"127.0.0.1:{self.port}", "routes": [{"path": "/", "reply": action}]}]},
            flags=[f"--access-log={log}", "--access-log-format=json"])
        self.assertEqual(self.connect().ask().body, b"closed\n")
        proxies.until(lambda: log.exists() and log.read_text().endswith("\n"), "the line is written")
        line = json.loads(log.read_text())
        self.assertEqual((line["status"], line["flags"], line["route"], line["bytes_sent"], line["attempts"]),
                         (503, "-", "0", 7, 0))
        dump = json.loads(self.weft.page("/config_dump").body)
        self.assertIn(json.dumps({"body": "closed\n", "status": 503}), json.dumps(dump, sort_keys=True))


if __name__ == "__main__":
    unittest.main()
