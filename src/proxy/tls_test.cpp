// TLS at listeners and to clusters: who is spoken to in it, for how long, and what becomes of connections
// that were there before.
#include "tls/tls.h"
#include "proxy/config_dump.h"
#include "proxy/flow_harness.h"
#include "tls/testing_certificates_test.h"

namespace weft::proxy::testing {
namespace {

class TlsFlow : public ContextFlow {
 protected:
  static snapshot::PemFile file(std::string name, std::string text) {
    return {std::move(name), snapshot::Shared(std::move(text))};
  }
  snapshot::Shared<snapshot::ServerTls> at_listener() const {
    const auto own = app_.pair();
    return snapshot::Shared(
        snapshot::ServerTls{file("app.crt", own.certificate), file("app.key", own.key), {}});
  }
  snapshot::Shared<snapshot::ClientTls> to_cluster(std::string name = "app") const {
    return snapshot::Shared(snapshot::ClientTls{std::move(name), file("ca.crt", ca_.certificate()), {}, {}});
  }
  /// A client's connection once its handshake is done; null if that failed.
  std::unique_ptr<tls::Connection> dial_tls(std::vector<std::string> protocols = {}) {
    if (!client_) client_ = *library_.client({.ca = ca_.certificate(), .name = "app"});
    tls::Result<std::unique_ptr<tls::Connection>> result;
    auto task = [](runtime::Reactor& reactor, std::shared_ptr<tls::ClientContext> context,
                   std::unique_ptr<runtime::Stream> transport, std::vector<std::string> offered,
                   tls::Result<std::unique_ptr<tls::Connection>>* into) -> runtime::Task<void> {
      *into = co_await tls::connect(reactor, std::move(context), std::move(transport), std::move(offered),
                                    nullptr, 5s);
    }(reactor_, client_, dial(), std::move(protocols), &result);
    task.start();
    settle();
    return task.is_done() && result ? std::move(*result) : nullptr;
  }
  Wire connect_tls() { return {reactor_, dial_tls()}; }

  tls::testing::Holder ca_{{.name = "authority", .is_ca = true}, nullptr};
  tls::testing::Holder app_{{}, &ca_};
  tls::Library library_{nullptr, {}, clock_};
  std::shared_ptr<tls::ClientContext> client_;
};

TEST_F(TlsFlow, WhatIsInsideIsServed) {
  backend(1);
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto wire = connect_tls();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(body_of(wire.exchange(get_text)), "b1");
  EXPECT_EQ(total("weft_tls_handshakes_total", {{"side", "downstream"}}), 1U);
  EXPECT_EQ(total("weft_downstream_connections_total"), 1U) << "counted once";
  for (const auto* protocol : {"h2", "http/1.1", "http/1.0"})
    EXPECT_EQ(dial_tls({protocol})->protocol(), protocol);
  EXPECT_EQ(dial_tls({"imap"}), nullptr);
}

TEST_F(TlsFlow, WhoStopsInTheHandshakeHasItsTime) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto silent = connect();
  auto begun = connect();
  begun.send("\x16\x03");
  advance(9s);
  EXPECT_FALSE(silent.is_closed());
  EXPECT_FALSE(begun.is_closed());
  advance(2s);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(begun.is_closed());
  EXPECT_EQ(total("weft_tls_handshake_failures_total", {{"reason", "timeout"}}), 1U)
      << "who said nothing was in no handshake";
  EXPECT_EQ(total("weft_downstream_connections_active"), 0U);
}

TEST_F(TlsFlow, AHelloThatIsTooLongIsAHandshakeThatFailed) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto wire = connect();
  wire.send(std::string("\x16\x03\x01\2\0\1\xff\xff\xff", 9) + std::string(508, '\0'));
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("weft_tls_handshake_failures_total", {{"side", "downstream"}, {"reason", "protocol"}}), 1U);
  EXPECT_EQ(total("weft_protocol_errors_total"), 1U);
}

TEST_F(TlsFlow, WhoIsCutInTheHandshakeIsNoTrouble) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto silent = connect();
  worker_->cut();
  EXPECT_TRUE(silent.is_closed());
}

TEST_F(TlsFlow, WhoHasBegunItWhenTlsGoesIsRefused) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto begun = connect();
  begun.send("\x16\x03");
  snapshot.listeners[0].tls = {};
  apply(snapshot);
  EXPECT_EQ(begun.exchange(std::string("\x01\0\5\1\0\0\1\0", 8)), "");
  EXPECT_TRUE(begun.is_closed());
}

TEST_F(TlsFlow, WhoSaysNothingBeforeItIsNotWaitedFor) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  auto silent = connect();
  auto begun = connect();
  begun.send("\x16\x03");
  worker_->retire();
  settle();
  EXPECT_FALSE(silent.is_closed()) << "it may not know of the successor";
  worker_->close_silent();
  EXPECT_TRUE(silent.is_closed());
  auto late = connect();
  advance(500ms);
  EXPECT_FALSE(late.is_closed());
  advance(600ms);
  EXPECT_TRUE(late.is_closed()) << "its turn was short";
  EXPECT_FALSE(begun.is_closed()) << "a handshake is under way";
  worker_->begin_drain();
  EXPECT_FALSE(begun.is_closed());
  begun.close();
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(TlsFlow, WhoCompletesItDuringADrainHasLittleTimeForARequest) {
  backend(1);
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  client_ = *library_.client({.ca = ca_.certificate(), .name = "app"});
  auto task = tls::connect(reactor_, client_, dial(), {}, nullptr, 5s);
  task.start();
  // Its first word waits to be looked at.
  worker_->begin_drain();
  settle();
  ASSERT_TRUE(task.is_done());
  auto connected = task.take();
  ASSERT_TRUE(connected);
  Wire wire(reactor_, std::move(*connected));
  EXPECT_FALSE(wire.is_closed());
  advance(2s);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(TlsFlow, ChainsOfOneProcessNeedNone) {
  backend(1);
  auto target = web_context({1});
  target.listeners[0].tls = at_listener();
  auto caller = shop_context({1});
  caller.clusters[0].tls = to_cluster();
  apply(target);
  apply(caller);
  EXPECT_EQ(body_of(get()), "b1");
  EXPECT_EQ(total("weft_tls_handshakes_total"), 0U);
  EXPECT_EQ(total("weft_local_connections_total"), 1U);
}

TEST_F(TlsFlow, WhereTlsComesOrGoesClientsThatWereThereEnd) {
  backend(1);
  auto snapshot = simple({1});
  apply(snapshot);
  auto plain = connect();
  plain.exchange(get_text);
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  EXPECT_TRUE(plain.is_closed());
  auto secure = connect_tls();
  secure.exchange(get_text);
  app_ = tls::testing::Holder({}, &ca_);
  snapshot.listeners[0].tls = at_listener();
  apply(snapshot);
  EXPECT_EQ(body_of(secure.exchange(get_text)), "b1") << "another certificate is for those that come";
  snapshot.listeners[0].tls = {};
  apply(snapshot);
  EXPECT_TRUE(secure.is_closed());
  EXPECT_EQ(body_of(get()), "b1");
}

TEST_F(TlsFlow, WhatRestsWithoutTlsIsNotUsedWhereItIsDue) {
  backend(1);
  auto snapshot = simple({1});
  apply(snapshot);
  EXPECT_EQ(body_of(get()), "b1");
  snapshot.clusters[0].tls = to_cluster();
  apply(snapshot);
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U) << "it is closed";
  backend(1).mode = Backend::Mode::by_hand;
  auto wire = connect();
  wire.send(get_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  EXPECT_TRUE(backend(1).wires[0]->receive().starts_with("\x16\x03")) << "a ClientHello";
}

TEST_F(TlsFlow, AServiceThatDoesNotGoOnIsOutOfTime) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].tls = to_cluster();
  snapshot.clusters[0].connect_timeout = 3s;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  advance(2s);
  EXPECT_EQ(wire.receive(), "");
  advance(2s);
  EXPECT_THAT(wire.receive(), HasSubstr("the service cannot be reached within 3s"));
  EXPECT_EQ(total("weft_tls_handshake_failures_total", {{"side", "upstream"}, {"reason", "timeout"}}), 1U);
}

TEST_F(TlsFlow, WithoutAContextNobodyIsServedInPlaintext) {
  backend(1);
  auto snapshot = simple({1});
  snapshot.clusters[0].tls = snapshot::Shared(snapshot::ClientTls{"app", file("ca.crt", "nonsense"), {}, {}});
  apply(snapshot);
  EXPECT_EQ(status_of_response(get()), 503);
  EXPECT_TRUE(backend(1).requests.empty());
  snapshot.listeners[0].tls =
      snapshot::Shared(snapshot::ServerTls{file("a", "nonsense"), file("b", "nonsense"), {}});
  apply(snapshot);
  EXPECT_EQ(get(), "");
}

TEST_F(TlsFlow, TheDumpHasNamesOfFilesAlone) {
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = at_listener();
  snapshot.clusters[0].tls = to_cluster();
  const auto dump = to_json(snapshot).dump();
  EXPECT_THAT(dump, HasSubstr(R"("tls":{"certificate":"app.crt","key":"app.key"})"));
  EXPECT_THAT(dump, HasSubstr(R"("tls":{"ca":"ca.crt","name":"app"})"));
  EXPECT_THAT(dump, Not(HasSubstr("BEGIN")));
}

}  // namespace
}  // namespace weft::proxy::testing
