// What becomes of connections over TLS when whom they were made by, or lead to, may be trusted no more.
#include <utility>

#include "proxy/h2_harness.h"
#include "tls/testing_certificates_test.h"
#include "tls/tls.h"

namespace weft::proxy::testing {
namespace {

using tls::testing::day;
using tls::testing::Holder;
using Made = tls::Result<std::unique_ptr<tls::Connection>>;

class TrustFlow : public H2Flow {
 protected:
  static snapshot::PemFile file(std::string name, std::string text) {
    return {std::move(name), snapshot::Shared(std::move(text))};
  }
  /// Of a listener that asks for clients of that bundle's; none if it is empty.
  snapshot::Shared<snapshot::ServerTls> asks_for(const std::string& bundle) const {
    const auto own = app_.pair();
    return snapshot::Shared(snapshot::ServerTls{file("app.crt", own.certificate), file("app.key", own.key),
                                                bundle.empty() ? snapshot::PemFile() : file("ca", bundle)});
  }
  snapshot::Shared<snapshot::ClientTls> trusts(const std::string& bundle, std::string name = "app") const {
    return snapshot::Shared(snapshot::ClientTls{std::move(name), file("ca", bundle), {}, {}});
  }
  Made finish(runtime::Task<Made> handshake) {
    handshake.start();
    settle();
    return handshake.is_done() ? handshake.take() : base::fail(tls::FaultKind::timeout);
  }
  /// A client, whose certificate is of ca_.
  std::unique_ptr<runtime::Stream> dial_tls(std::vector<std::string> protocols = {}) {
    return std::move(*finish(tls::connect(reactor_, client_, dial(), std::move(protocols), nullptr, 5s)));
  }
  Wire connect_tls() { return {reactor_, dial_tls()}; }
  /// The service at the other end of the last connection to backend 1.
  Wire serve_tls() {
    auto transport = backend(1).wires.back()->take();
    return {reactor_, std::move(*finish(tls::accept(reactor_, server_, std::move(transport), 5s)))};
  }

  Holder ca_{{.name = "authority", .is_ca = true}, nullptr};
  Holder other_{{.name = "other", .is_ca = true}, nullptr};
  Holder app_{{}, &ca_};
  const std::string both_ = ca_.certificate() + other_.certificate();
  tls::Library library_{nullptr, {}, clock_};
  std::shared_ptr<tls::ClientContext> client_ =
      library_.client({.ca = ca_.certificate(), .name = "app", .own = app_.pair()}).value();
  std::shared_ptr<tls::ServerContext> server_ = library_.server({.own = app_.pair()}).value();
};

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

TEST_F(TrustFlow, ClientsEndWhereAnAuthorityGoes) {
  const Holder renewed({.name = "authority", .ends = 2 * day, .is_ca = true}, nullptr, ca_);
  struct Case {
    std::string what;
    std::string before;
    std::string now;
    bool ends;
  };
  for (const auto& [what, before, now, ends] :
       std::vector<Case>{{"asked for from now on", "", ca_.certificate(), true},
                         {"one less", both_, ca_.certificate(), true},
                         {"one more", ca_.certificate(), both_, false},
                         {"renewed", ca_.certificate(), renewed.certificate(), false},
                         {"asked for no more", both_, "", false}}) {
    backend(1);
    auto snapshot = simple({1});
    snapshot.listeners[0].tls = asks_for(before);
    apply(snapshot);
    auto h1 = connect_tls();
    EXPECT_EQ(body_of(h1.exchange(get_text)), "b1") << what;
    auto h2 = Connection::client(reactor_, dial_tls({"h2"}), {});
    settle();
    auto asked = ask(h2, head());
    EXPECT_EQ(status(asked), 200) << what;
    snapshot.listeners[0].tls = asks_for(now);
    apply(snapshot);
    EXPECT_EQ(h1.is_closed(), ends) << what;
    EXPECT_EQ(h2.is_open(), !ends) << what;
    EXPECT_EQ(body_of(connect_tls().exchange(get_text)), "b1") << what;
    // The certificate is renewed: that is for who comes.
    app_ = Holder({}, &ca_);
    auto last = connect_tls();
    snapshot.listeners[0].tls = asks_for(now);
    apply(snapshot);
    EXPECT_FALSE(last.is_closed()) << what;
    worker_->cut();
  }
}

TEST_F(TrustFlow, WhatAClientHasUnderWayIsFinished) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.listeners[0].tls = asks_for(both_);
  apply(snapshot);
  auto h1 = connect_tls();
  h1.send(get_text);
  auto h2 = Connection::client(reactor_, dial_tls({"h2"}), {});
  settle();
  auto asked = ask(h2, head());
  snapshot.listeners[0].tls = asks_for(ca_.certificate());
  apply(snapshot);
  EXPECT_FALSE(h2.is_open()) << "it is told";
  for (const auto& wire : backend(1).wires) wire->send(ok);
  EXPECT_THAT(h1.receive(), HasSubstr("connection: close"));
  EXPECT_TRUE(h1.is_closed());
  EXPECT_EQ(status(asked), 200);
}

TEST_F(TrustFlow, AnOpaqueConnectionIsOneThingUnderWay) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  auto& listener = snapshot.listeners[0];
  listener.protocol = snapshot::ListenerProtocol::tcp;
  listener.cluster = "app";
  listener.routes.clear();
  snapshot.clusters[0].protocol = snapshot::ClusterProtocol::tcp;
  listener.tls = asks_for(both_);
  apply(snapshot);
  auto wire = connect_tls();
  wire.send("hello");
  snapshot.listeners[0].tls = asks_for(ca_.certificate());
  apply(snapshot);
  wire.send(" again");
  EXPECT_EQ(backend(1).wires[0]->receive(), "hello again");
  EXPECT_FALSE(wire.is_closed());
}

// Who has said a part of what it speaks when the listener changes is one that came before, whatever object
// serves it then.
TEST_F(TrustFlow, WhoHasBegunToSpeakHasComeBefore) {
  backend(1);
  auto snapshot = simple({1});
  snapshot.listeners[0].protocol = snapshot::ListenerProtocol::automatic;
  apply(snapshot);
  auto h1 = connect();
  h1.send("GE");
  snapshot.listeners[0].protocol = snapshot::ListenerProtocol::http;
  apply(snapshot);
  auto h2 = connect();
  h2.send("PRI * HT");
  snapshot.listeners[0].tls = asks_for(ca_.certificate());
  apply(snapshot);
  EXPECT_THAT(h1.exchange("T / HTTP/1.1\r\nhost: web\r\n\r\n"), HasSubstr("connection: close"));
  EXPECT_TRUE(h1.is_closed());
  h2.send("TP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9));
  advance(2s);
  EXPECT_THAT(h2.receive(), HasSubstr(std::string("\x08\x07\0\0\0\0\0", 7))) << "GOAWAY";
}

TEST_F(TrustFlow, NoRequestGoesToWhoWasTrustedByWhatHasGone) {
  backend(1).mode = Backend::Mode::by_hand;
  const Holder renewed({.name = "authority", .ends = 2 * day, .is_ca = true}, nullptr, ca_);
  struct Case {
    std::string what;
    snapshot::Shared<snapshot::ClientTls> before;
    snapshot::Shared<snapshot::ClientTls> now;
    bool ends;
  };
  for (const auto& [what, before, now, ends] :
       std::vector<Case>{{"one less", trusts(both_), trusts(ca_.certificate()), true},
                         {"another name", trusts(both_), trusts(both_, "127.0.0.1"), true},
                         {"one more", trusts(ca_.certificate()), trusts(both_), false},
                         {"renewed", trusts(ca_.certificate()), trusts(renewed.certificate()), false}}) {
    auto snapshot = simple({1});
    snapshot.clusters[0].tls = before;
    apply(snapshot);
    const auto connections = backend(1).connections;
    auto client = connect();
    client.send(get_text);
    auto service = serve_tls();
    EXPECT_THAT(service.exchange(ok), HasSubstr("GET /")) << what;
    EXPECT_EQ(body_of(client.receive()), "ok") << what;
    snapshot.clusters[0].tls = now;
    apply(snapshot);
    EXPECT_EQ(service.is_closed(), ends) << what;
    client.send(get_text);
    ASSERT_EQ(backend(1).connections - connections, ends ? 2U : 1U) << what;
    auto again = ends ? serve_tls() : Wire(reactor_, service.take());
    EXPECT_THAT(again.exchange(ok), HasSubstr("GET /")) << what;
    EXPECT_EQ(body_of(client.receive()), "ok") << what;
    apply(simple({}));
  }
}

TEST_F(TrustFlow, WhatIsUnderWayWhenAnAuthorityGoesIsFinishedAndNotUsedAgain) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].tls = trusts(both_);
  apply(snapshot);
  auto busy = connect();
  busy.send(get_text);
  auto service = serve_tls();
  auto late = connect();
  late.send(get_text);
  snapshot.clusters[0].tls = trusts(ca_.certificate());
  apply(snapshot);
  service.send(ok);
  EXPECT_EQ(body_of(busy.receive()), "ok");
  EXPECT_TRUE(service.is_closed());
  // Its handshake was under way.
  auto other = serve_tls();
  other.send(ok);
  EXPECT_EQ(body_of(late.receive()), "ok");
  EXPECT_TRUE(other.is_closed());
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
}

TEST_F(TrustFlow, WhoWaitsForAConnectionWhenAnAuthorityGoesGetsAnother) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].tls = trusts(both_);
  snapshot.clusters[0].max_connections = 1;
  apply(snapshot);
  auto busy = connect();
  busy.send(get_text);
  auto service = serve_tls();
  auto waits = connect();
  waits.send(get_text);
  ASSERT_EQ(backend(1).connections, 1U);
  snapshot.clusters[0].tls = trusts(ca_.certificate());
  apply(snapshot);
  advance(1s);
  ASSERT_EQ(backend(1).connections, 2U);
  auto other = serve_tls();
  other.send(ok);
  EXPECT_EQ(body_of(waits.receive()), "ok");
  service.send(ok);
  EXPECT_EQ(body_of(busy.receive()), "ok");
}

}  // namespace
}  // namespace weft::proxy::testing
