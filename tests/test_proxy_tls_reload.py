"""`weft proxy --config` with TLS, whose certificates change while it runs."""

import contextlib
import datetime
import os
import shutil
import signal
import ssl
import subprocess
import threading
import unittest

import certificates
import proxies
from proxies import answers, reply, until
from tls import TlsTest, serial_of


class Reload(TlsTest):
    def renew(self, stem, **options):
        return self.leaf(stem=stem, **options)

    def put(self, source, target):
        """As an editor or a client of ACME does: at once."""
        fresh = target.with_suffix(".fresh")
        shutil.copy(source, fresh)
        fresh.rename(target)

    def is_shown(self, serial):
        until(lambda: serial_of(self.secure()) == serial, "new connections are met with the new certificate")

    def serial(self, files):
        text = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", files.certificate], capture_output=True, text=True,
                              check=True).stdout
        return text.strip().partition("=")[2]

    def reloads(self, result):
        return self.weft.metric("weft_config_reloads_total", result=result)

    def test_a_renewed_certificate(self):
        self.run_tls(answers(lambda request: reply()), workers=2, listener_tls=self.at_listener())
        first = self.secure()
        self.assertEqual(first.ask().status, 200)
        fresh = self.renew("fresh", days=31)
        self.put(fresh.certificate, self.own.certificate)
        until(lambda: "the key is not that of the first certificate in" in self.weft.stderr(), "it is told of")
        self.assertIn(f"{self.own.key}, which {self.weft.file} names, cannot be used", self.weft.stderr())
        self.assertEqual(serial_of(self.secure()), serial_of(first), "what was in force stays")
        self.assertEqual((self.reloads("refused"), self.reloads("ok")), (1, 0))
        self.put(fresh.key, self.own.key)
        self.is_shown(self.serial(fresh))
        self.assertEqual(first.ask().status, 200, "who is there stays")
        until(lambda: self.reloads("ok") == 1, "it is counted")
        self.assertIn(f"reloaded {self.weft.file}: changed: {self.own.certificate}, {self.own.key}\n", self.weft.stderr())

    def test_a_file_that_is_half_written(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        whole = self.own.certificate.read_text()
        self.own.certificate.write_text(whole[:len(whole) // 2])
        until(lambda: "what was in force stays" in self.weft.stderr(), "it is told of")
        self.assertIn(str(self.own.certificate), self.weft.stderr())
        self.assertEqual(self.secure().ask().status, 200)
        self.own.certificate.unlink()
        until(lambda: f"cannot read {self.own.certificate}" in self.weft.stderr(), "that it has gone is told of")
        self.assertEqual(self.secure().ask().status, 200)
        fresh = self.renew("fresh", days=31)
        self.put(fresh.key, self.own.key)
        self.put(fresh.certificate, self.own.certificate)
        self.is_shown(self.serial(fresh))

    def test_a_folder_that_kubernetes_swaps(self):
        mount = self.folder / "mount"
        mount.mkdir()
        for version, files in (("..1", self.own), ("..2", self.renew("fresh", days=31))):
            (mount / version).mkdir()
            shutil.copy(files.certificate, mount / version / "tls.crt")
            shutil.copy(files.key, mount / version / "tls.key")
        os.symlink("..1", mount / "..data")
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", mount / name)
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener(certificates.Files(
            mount / "tls.crt", mount / "tls.key")))
        self.assertEqual(self.secure().ask().status, 200)
        os.symlink("..2", mount / "..next")
        (mount / "..next").rename(mount / "..data")
        self.is_shown(self.serial(certificates.Files(mount / "..2" / "tls.crt", None)))
        self.assertNotIn("error", self.weft.stderr())

    def test_by_a_signal(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        loads = self.weft.metric("weft_snapshots_applied_total")
        self.weft.process.send_signal(signal.SIGHUP)
        until(lambda: self.weft.metric("weft_snapshots_applied_total") > loads, "it is loaded")
        self.assertEqual(self.secure().ask().status, 200)
        until(lambda: f"reloaded {self.weft.file}: no file has changed" in self.weft.stderr(), "it is said")

    def test_whom_clients_and_services_are_trusted_by(self):
        """Another authority for clients; another certificate to show a service."""
        me, later = self.leaf("me", client=True), certificates.authority(self.folder, "later")
        shown = []

        def serve(peer):
            shown.append(peer.sock.getpeercert()["subjectAltName"][0][1])
            answers(lambda request: reply())(peer)
        trusted = self.folder / "trusted.crt"
        shutil.copy(self.ca.certificate, trusted)
        mine = certificates.Files(self.folder / "mine.crt", self.folder / "mine.key")
        for source, target in zip(me, mine):
            shutil.copy(source, target)
        self.run_tls(serve, over_tls=self.server_context(client_ca=self.ca), cluster_tls=self.to_cluster(own=mine),
                     listener_tls=self.at_listener(client_ca=certificates.Files(trusted, None)))
        self.settings["clusters"][0]["maxRequestsPerConnection"] = 1
        self.weft.write(self.settings)
        until(lambda: self.weft.metric("weft_snapshots_applied_total") == 2, "it is loaded")
        known = self.context(own=me, version="TLSv1.2")
        first = self.secure(known)
        self.assertEqual(first.ask().status, 200)
        session = first.sock.session
        self.assertTrue(self.secure(known, session=session).sock.session_reused)
        for source, target in zip(self.leaf("renewed", client=True), mine):
            self.put(source, target)
        self.put(later.certificate, trusted)
        stranger = self.leaf("stranger", ca=later, client=True)
        until(lambda: not self.fails(self.context(own=stranger)), "the new authority is trusted")
        self.assertTrue(self.fails(self.context(own=me)))
        # By its session neither.
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.secure(known, session=session)
        self.assertEqual((shown[0], shown[-1]), ("me", "renewed"))

    def test_an_authority_that_goes(self):
        """Who came by it ends after what is under way, and services get no more requests by it; one that comes is no reason."""
        trusted, both = self.folder / "trusted.crt", self.folder / "both.crt"
        both.write_text(self.ca.certificate.read_text() + certificates.authority(self.folder, "later").certificate.read_text())
        shutil.copy(self.ca.certificate, trusted)
        bundle = certificates.Files(trusted, None)
        self.run_tls(answers(lambda request: reply()), over_tls=self.server_context(), cluster_tls=self.to_cluster(ca=bundle),
                     listener_tls=self.at_listener(client_ca=bundle))
        me = self.context(own=self.leaf("me", client=True))
        peer = self.secure(me)
        self.assertEqual(peer.ask().status, 200)
        self.put(both, trusted)
        until(lambda: self.weft.metric("weft_snapshots_applied_total") == 2, "it is loaded")
        self.assertEqual((peer.ask().status, self.app.accepted), (200, 1))
        self.put(self.ca.certificate, trusted)
        self.assertTrue(peer.is_at_end())
        self.assertEqual((self.secure(me).ask().status, self.app.accepted), (200, 2))

    @contextlib.contextmanager
    def load(self):
        """Clients that keep their connection and clients that do not; the list grows with each answer, and none is lost."""
        over, served, lost = threading.Event(), [], []

        def ask(is_kept):
            context, peer = self.context(), None
            while not over.is_set():
                try:
                    peer = peer or self.secure(context)
                    response = peer.ask()
                    served.append(response.status)
                    if not is_kept or response.get("connection") == "close":
                        peer.close()
                        peer = None
                except (OSError, proxies.Cut) as error:
                    lost.append(error)
                    return
        clients = [proxies.beside(lambda is_kept=is_kept: ask(is_kept)) for is_kept in (True, True, False, False)]
        yield served
        over.set()
        for client in clients:
            client.join(proxies.LIMIT)
            self.assertIsNone(client.error)
        self.assertEqual((lost, set(served)), ([], {200}))

    def test_under_load(self):
        self.run_tls(answers(lambda request: reply()), workers=2, listener_tls=self.at_listener())
        with self.load():
            for turn in range(5):
                fresh = self.renew(f"fresh-{turn}", days=31 + turn)
                self.put(fresh.certificate, self.own.certificate)
                self.put(fresh.key, self.own.key)
                self.is_shown(self.serial(fresh))
        self.assertEqual(self.failures(), 0)

    def test_another_proxy_takes_over_under_load(self):
        self.run_tls(answers(lambda request: reply()), workers=2, listener_tls=self.at_listener())
        with self.load() as served:
            for workers in (1, 2):
                before, self.weft = self.weft, self.proxy(None, before=self.weft, workers=workers)
                self.assertEqual(before.process.wait(proxies.LIMIT), 0)
                known = len(served)
                until(lambda: len(served) > known + 50, "the load goes on")

    def test_tls_comes_and_goes(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        secure = self.secure()
        self.assertEqual(secure.ask().status, 200)
        tls = self.settings["listeners"][0].pop("tls")
        self.weft.write(self.settings)
        self.assertTrue(secure.is_at_end(), "who came before does not stay")
        plain = self.connect()
        self.assertEqual(plain.ask().status, 200)
        self.settings["listeners"][0]["tls"] = tls
        self.weft.write(self.settings)
        self.assertTrue(plain.is_at_end())
        self.assertEqual(self.secure().ask().status, 200)

    def start(self, **config):
        weft = proxies.Proxy(self.config("127.0.0.1:1", **config))
        self.addCleanup(weft.remove)
        return weft

    def openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=proxies.LIMIT)

    def test_a_bad_start(self):
        """It does not start with what it cannot use, and says where and what to do."""
        other = self.leaf("other")
        large = self.folder / "large.crt"
        large.write_text(self.own.certificate.read_text() + "\n" * (1 << 20))
        both, locked, reverse = self.folder / "both.p12", self.folder / "locked.key", self.folder / "reverse.crt"
        self.openssl("pkcs12", "-export", "-in", self.own.certificate, "-inkey", self.own.key, "-out", both, "-passout", "pass:")
        self.openssl("pkey", "-in", self.own.key, "-aes128", "-passout", "pass:x", "-out", locked)
        reverse.write_text(self.ca.certificate.read_text() + self.own.certificate.read_text())
        good = dict(zip(("certificate", "key"), map(str, self.own)))
        for settings, *said in (({"key": other.key}, f"{other.key}: the key is not that of the first certificate in", "put the certificate of the key first"),
                                ({"certificate": reverse}, f"of the first certificate in {reverse}", "put the certificate of the key first"),
                                ({"certificate": large}, "larger than 1 MiB"),
                                ({"certificate": "nowhere.crt"}, "nowhere.crt"),
                                ({"certificate": self.own.key}, f"{self.own.key}: it has no certificate"),
                                ({"key": locked}, f"{locked}: it is encrypted", "openssl pkey -in"),
                                ({"certificate": both}, f"{both}: it is PKCS #12", "openssl pkcs12 -in FILE -nokeys"),
                                ({"key": both}, f"{both}: it is PKCS #12", "openssl pkcs12 -in FILE -nocerts"),
                                ({"key": locked, "clientCa": both}, f"{locked}: it is encrypted", f"{both}: it is PKCS #12")):
            with self.subTest(settings):
                weft = self.start(listener_tls=good | {field: str(value) for field, value in settings.items()})
                self.assertEqual(weft.process.wait(proxies.LIMIT), 3)
                for words in said:
                    self.assertIn(words, weft.stderr())

    def test_what_is_not_valid_now_is_told_of(self):
        """It is put in force all the same: the clock may be wrong."""
        old, early = self.leaf(not_before=-9, days=5, stem="old"), self.leaf(not_before=5, days=9, stem="early")
        soon = self.leaf("me", client=True, days=4, stem="soon")
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener(old, client_ca=early), cluster_tls=self.to_cluster(
            ca=old, own=soon))
        for words in (f"{old.certificate}: the certificate has expired on 20", f"{early.certificate}: no certificate of it is valid yet",
                      f"{soon.certificate}: the certificate expires on 20", f"{old.certificate}: its certificate has expired on 20"):
            self.assertIn(words, self.weft.stderr())

    def end_of(self, files):
        """As the gauge has it."""
        text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", files.certificate], capture_output=True, text=True,
                              check=True).stdout
        return ssl.cert_time_to_seconds(text.strip().partition("=")[2])

    def test_one_that_expires_while_it_runs(self):
        since = (datetime.datetime.now(datetime.timezone.utc) - certificates._now()).total_seconds()
        short = self.leaf(days=1 + (since + 3) / 86400, stem="short")
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener(short, client_ca=self.ca))
        for files in (short, self.ca):
            self.assertEqual(self.weft.metric("weft_tls_certificate_expiry_timestamp_seconds", file=str(files.certificate)),
                             self.end_of(files))
        self.assertIn(f"{short.certificate}: the certificate expires on 20", self.weft.stderr())
        until(lambda: f"{short.certificate}: the certificate has expired on 20" in self.weft.stderr(), "it is told of")
        self.assertEqual((self.reloads("ok"), self.reloads("refused")), (0, 0), "nothing else has happened")
        fresh = self.renew("fresh")
        self.put(fresh.key, short.key)
        self.put(fresh.certificate, short.certificate)
        until(lambda: self.weft.metric("weft_tls_certificate_expiry_timestamp_seconds", file=str(short.certificate)) ==
              self.end_of(fresh), "it is renewed")


if __name__ == "__main__":
    unittest.main()
