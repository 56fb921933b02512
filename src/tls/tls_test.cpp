// Handshakes and connections of this room with itself, over memory.
#include "tls/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include <thread>

#include "runtime/combine.h"
#include "runtime/scope.h"
#include "tls/connection.h"
#include "tls/testing_certificates_test.h"

namespace weft::tls {
namespace {

using namespace std::chrono_literals;
using runtime::Task;
using ::testing::HasSubstr;
using testing::Holder;

constexpr auto limit = 5s;

/// Both sides of a connection after its handshake, or why there is none.
struct Ends {
  Result<std::unique_ptr<Connection>> client = base::fail(FaultKind::io);
  Result<std::unique_ptr<Connection>> server = base::fail(FaultKind::io);
};

Task<void> into(Task<Result<std::unique_ptr<Connection>>> from, Result<std::unique_ptr<Connection>>* to) {
  *to = co_await std::move(from);
}

class Tls : public ::testing::Test {
 protected:
  /// The contexts must be good.
  std::shared_ptr<ServerContext> server(const ServerSettings& settings) {
    return library.server(settings).value();
  }
  std::shared_ptr<ClientContext> client(const ClientSettings& settings) {
    return library.client(settings).value();
  }

  Ends meet(std::shared_ptr<ServerContext> server, std::shared_ptr<ClientContext> client,
            std::vector<std::string> protocols = {}, std::size_t capacity = 65536) {
    Ends ends;
    auto [near, far] = runtime::memory_pair(reactor, capacity);
    std::vector<Task<void>> both;
    both.push_back(into(accept(reactor, std::move(server), std::move(far), limit), &ends.server));
    both.push_back(
        into(connect(reactor, std::move(client), std::move(near), std::move(protocols), resumption, limit),
             &ends.client));
    reactor.block_on(runtime::all(std::move(both)));
    return ends;
  }

  /// Sends `text` and the end, and gives what came at the other side with how it ended.
  std::pair<std::string, runtime::IoResult<std::size_t>> pass(Connection& from, Connection& to,
                                                              std::string text, bool ends = true) {
    std::string came;
    runtime::IoResult<std::size_t> end = 0;
    const auto write = [&]() -> Task<void> {
      (void)co_await runtime::write_all(from, text);
      if (ends) from.shutdown_write();
    };
    const auto read = [&]() -> Task<void> {
      char buffer[5000];
      while (ends || came.size() < text.size()) {
        end = co_await runtime::read(to, buffer);
        if (!end || *end == 0) co_return;
        came.append(buffer, *end);
      }
    };
    std::vector<Task<void>> both;
    both.push_back(write());
    both.push_back(read());
    reactor.block_on(runtime::all(std::move(both)));
    return {came, end};
  }

  base::ManualClock clock;
  runtime::Reactor reactor;
  std::shared_ptr<SessionStore> sessions = make_session_store();
  Library library{sessions, {}, clock};
  std::shared_ptr<Resumption> resumption;
  const Holder ca{{.name = "ca", .is_ca = true}, nullptr};
  const Holder app{{.name = "app"}, &ca};
  const Holder user{{.name = "user"}, &ca};
  const ServerSettings plain{.own = app.pair()};
  const ServerSettings mutual{.own = app.pair(), .client_ca = ca.certificate()};
  const ClientSettings nobody{.ca = ca.certificate(), .name = "app"};
  const ClientSettings known{.ca = ca.certificate(), .name = "app", .own = user.pair()};
};

TEST_F(Tls, CarriesBytesBothWays) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client) << ends.client.error().detail;
  ASSERT_TRUE(ends.server) << ends.server.error().detail;
  EXPECT_EQ((*ends.server)->version(), "TLSv1.3");
  EXPECT_FALSE((*ends.server)->has_peer_certificate());
  EXPECT_TRUE((*ends.client)->has_peer_certificate());
  EXPECT_EQ(pass(**ends.client, **ends.server, "hello", false).first, "hello");
  const std::string large(1'000'000, 'x');
  const auto [came, end] = pass(**ends.server, **ends.client, large);
  EXPECT_EQ(came, large);
  EXPECT_EQ(end, 0U) << "close_notify came";
  EXPECT_EQ(pass(**ends.client, **ends.server, "after the other side's end").first,
            "after the other side's end");
}

TEST_F(Tls, WorksThroughAWayThatTakesAByteAtATime) {
  auto ends = meet(server(mutual), client(known), {}, 1);
  ASSERT_TRUE(ends.client && ends.server);
  EXPECT_EQ(pass(**ends.client, **ends.server, std::string(50'000, 'y'), false).first,
            std::string(50'000, 'y'));
}

// Who gives up then must know that the peer may have read some of it.
TEST_F(Tls, WhatLeavesBeforeTheWayIsFullIsTaken) {
  auto ends = meet(server(plain), client(nobody), {}, 40'000);
  ASSERT_TRUE(ends.client && ends.server);
  std::string text;
  for (char c = 'a'; c < 'g'; ++c) text.append(10'000, c);
  const auto write = [&](std::size_t offset) {
    const iovec rest{text.data() + offset, text.size() - offset};
    return (*ends.client)->try_write({&rest, 1});
  };
  const auto first = write(0);
  EXPECT_EQ(first, 32'768U) << "two records";
  EXPECT_TRUE(write(32'768).error().would_block());
  std::string came(text.size(), 0);
  EXPECT_EQ((*ends.server)->try_read(std::span(came).first(32'768)), 32'768U);
  while (reactor.poll()) {
  }
  EXPECT_EQ(write(32'768), text.size() - 32'768);
  EXPECT_EQ((*ends.server)->try_read(std::span(came).subspan(32'768)), text.size() - 32'768);
  EXPECT_EQ(came, text);
}

TEST_F(Tls, AnEndThatCanReachNobodyHoldsNothingBack) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client && ends.server);
  ends.client->reset();
  (*ends.server)->shutdown_write();
  EXPECT_FALSE((*ends.server)->holds_back());
}

TEST_F(Tls, AnEndThatWaitsForRoomIsGivenUpWithTheConnection) {
  auto ends = meet(server(plain), client(nobody), {}, 4000);
  ASSERT_TRUE(ends.client && ends.server);
  const std::string much(100'000, 'x');
  iovec part{const_cast<char*>(much.data()), much.size()};
  while ((*ends.server)->try_write({&part, 1})) {
  }
  (*ends.server)->shutdown_write();
  EXPECT_TRUE((*ends.server)->holds_back());
  (*ends.server)->fail({ETIMEDOUT});
  EXPECT_FALSE((*ends.server)->holds_back());
}

TEST_F(Tls, ACutIsNoEnd) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client && ends.server);
  (*ends.server)->fail({ECONNABORTED});
  char byte = 0;
  const auto got = reactor.block_on([](Connection& from, char* to) -> Task<runtime::IoResult<std::size_t>> {
    co_return co_await runtime::read(from, {to, 1});
  }(**ends.client, &byte));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ECONNRESET);
}

// A server of TLS 1.3 looks at the client's certificate when the client's side of the handshake is over.
TEST_F(Tls, ARefusalThatComesFirstIsToldOf) {
  auto ends = meet(server(mutual), client(nobody));
  ASSERT_TRUE(ends.client);
  ASSERT_FALSE(ends.server);
  std::vector<std::string> told;
  (*ends.client)->when_refused([&](const Fault& fault) {
    EXPECT_EQ(fault.kind, FaultKind::refused);
    told.push_back(fault.detail);
  });
  for (int i = 0; i < 2; ++i) {
    char byte = 0;
    const auto got = (*ends.client)->try_read({&byte, 1});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, EKEYREJECTED);
  }
  EXPECT_THAT(told, ::testing::ElementsAre("the peer refused: tlsv13 alert certificate required"));
}

TEST_F(Tls, ARefusalIsReadBeforeAWriteFails) {
  auto ends = meet(server(mutual), client(nobody));
  ASSERT_TRUE(ends.client);
  int told = 0;
  (*ends.client)->when_refused([&](const Fault&) { ++told; });
  const auto written = reactor.block_on(runtime::write_all(**ends.client, "a request"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, EKEYREJECTED);
  EXPECT_EQ(told, 1);
}

TEST_F(Tls, DestructionIsAnEnd) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client && ends.server);
  ends.server->reset();
  char byte = 0;
  EXPECT_EQ(reactor.block_on([](Connection& from, char* to) -> Task<runtime::IoResult<std::size_t>> {
    co_return co_await runtime::read(from, {to, 1});
  }(**ends.client, &byte)),
            0U);
}

TEST_F(Tls, WhatCameBeforeTheWayBrokeIsRead) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client && ends.server);
  ASSERT_TRUE(reactor.block_on(runtime::write_all(**ends.server, "413 too large")));
  ends.server->reset();
  const auto written = reactor.block_on(runtime::write_all(**ends.client, "more of the request"));
  EXPECT_FALSE(written);
  std::array<char, 64> room{};
  EXPECT_EQ((*ends.client)->try_read(room), 13U);
}

TEST_F(Tls, PeekLeavesWhatItSees) {
  auto ends = meet(server(plain), client(nobody));
  ASSERT_TRUE(ends.client && ends.server);
  auto& to = **ends.server;
  std::array<char, 8> room{};
  EXPECT_TRUE(to.try_peek(room).error().would_block());
  ASSERT_TRUE(reactor.block_on(runtime::write_all(**ends.client, "GET / HTTP/1.1")));
  while (reactor.poll()) {
  }
  EXPECT_EQ(to.try_peek(room), 8U);
  EXPECT_EQ(std::string_view(room.data(), 8), "GET / HT");
  std::array<char, 64> all{};
  EXPECT_EQ(to.try_peek(all), 14U);
  EXPECT_TRUE(to.may_read());
  EXPECT_EQ(to.try_read(room), 8U);
  EXPECT_EQ(to.try_read(all), 6U);
  EXPECT_EQ(std::string_view(all.data(), 6), "TP/1.1");
  EXPECT_TRUE(to.try_read(all).error().would_block());
}

TEST_F(Tls, AgreesOnAProtocol) {
  auto settings = plain;
  settings.protocols = {"h2", "http/1.1"};
  const auto context = server(settings);
  auto ends = meet(context, client(nobody), {"http/1.1", "h2"});
  ASSERT_TRUE(ends.client && ends.server);
  EXPECT_EQ((*ends.server)->protocol(), "h2");
  EXPECT_EQ((*ends.client)->protocol(), "h2");
  ends = meet(context, client(nobody));
  ASSERT_TRUE(ends.client && ends.server) << "a client need not offer any";
  EXPECT_EQ((*ends.server)->protocol(), "");
  ends = meet(context, client(nobody), {"smtp"});
  EXPECT_FALSE(ends.server);
  ASSERT_FALSE(ends.client);
  EXPECT_EQ(ends.client.error().kind, FaultKind::refused);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("no application protocol"));
  settings.takes_others = true;
  ends = meet(server(settings), client(nobody), {"smtp"});
  ASSERT_TRUE(ends.client && ends.server);
  EXPECT_EQ((*ends.client)->protocol(), "");
}

TEST_F(Tls, AsksClientsForACertificate) {
  auto ends = meet(server(mutual), client(known));
  ASSERT_TRUE(ends.client && ends.server);
  EXPECT_TRUE((*ends.server)->has_peer_certificate());
  ends = meet(server(mutual), client(nobody));
  ASSERT_FALSE(ends.server);
  EXPECT_EQ(ends.server.error().kind, FaultKind::certificate);
  EXPECT_EQ(ends.server.error().detail, "the peer has shown no certificate");
}

TEST_F(Tls, TakesKeysOfRsa) {
  const Holder root{{.name = "root", .is_ca = true, .rsa_bits = 2048}, nullptr};
  const Holder both{{.name = "app", .rsa_bits = 2048}, &root};
  auto ends = meet(server({.own = both.pair(), .client_ca = root.certificate()}),
                   client({.ca = root.certificate(), .name = "app", .own = both.pair()}));
  ASSERT_TRUE(ends.client) << ends.client.error().detail;
  ASSERT_TRUE(ends.server) << ends.server.error().detail;
  EXPECT_EQ((*ends.server)->version(), "TLSv1.3");
}

TEST_F(Tls, TrustsNobodyElse) {
  const Holder other{{.name = "other", .is_ca = true}, nullptr};
  const Holder stranger{{.name = "app"}, &other};
  auto ends = meet(server({.own = stranger.pair()}), client(nobody));
  ASSERT_FALSE(ends.client);
  EXPECT_EQ(ends.client.error().kind, FaultKind::certificate);
  EXPECT_FALSE(ends.server);
  ends = meet(server(mutual), client({.ca = ca.certificate(), .name = "app", .own = stranger.pair()}));
  ASSERT_FALSE(ends.server);
  EXPECT_EQ(ends.server.error().kind, FaultKind::certificate);
}

TEST_F(Tls, AsksForTheName) {
  auto ends = meet(server(plain), client({.ca = ca.certificate(), .name = "web"}));
  ASSERT_FALSE(ends.client);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("hostname mismatch"));
  ends = meet(server(plain), client({.ca = ca.certificate(), .name = "127.0.0.1"}));
  EXPECT_TRUE(ends.client);
  ends = meet(server(plain), client({.ca = ca.certificate(), .name = "127.0.0.2"}));
  ASSERT_FALSE(ends.client);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("IP address mismatch"));
  // RFC 9525, 2: the subject's common name is for people.
  const Holder old{{.name = "app", .has_alt_name = false}, &ca};
  ends = meet(server({.own = old.pair()}), client(nobody));
  ASSERT_FALSE(ends.client);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("hostname mismatch"));
}

TEST_F(Tls, ChecksTheTimesOfCertificates) {
  const Holder late{{.name = "app", .begins = 1h, .ends = 2h}, &ca};
  auto ends = meet(server({.own = late.pair()}), client(nobody));
  ASSERT_FALSE(ends.client);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("not yet valid"));
  const Holder past{{.name = "app", .ends = -1h}, &ca};
  ends = meet(server({.own = past.pair()}), client(nobody));
  ASSERT_FALSE(ends.client);
  EXPECT_THAT(ends.client.error().detail, HasSubstr("has expired"));
}

TEST_F(Tls, RemembersWhomItHasVerifiedUntilThatEnds) {
  const Holder brief{{.name = "user", .ends = 1h}, &ca};
  const auto to = server(mutual);
  const auto from = client({.ca = ca.certificate(), .name = "app", .own = brief.pair()});
  ASSERT_TRUE(meet(to, from).server);
  EXPECT_EQ(library.counters().verified, 2U) << "each of the other";
  ASSERT_TRUE(meet(to, from).server);
  EXPECT_EQ(library.counters().verified, 2U);
  EXPECT_EQ(library.counters().verified_before, 2U);
  clock.advance(59min);
  EXPECT_TRUE(meet(to, from).server);
  EXPECT_EQ(library.counters().verified, 2U);
  clock.advance(2min);
  EXPECT_FALSE(meet(to, from).server) << "its certificate has expired";
  // Another bundle knows nothing of what the one before found.
  const Holder other{{.name = "other", .is_ca = true}, nullptr};
  EXPECT_FALSE(meet(server({.own = app.pair(), .client_ca = other.certificate()}), from).server);
}

TEST_F(Tls, ABadChainIsNotRemembered) {
  const Holder other{{.name = "other", .is_ca = true}, nullptr};
  const auto from = client({.ca = other.certificate(), .name = "app"});
  const auto to = server(plain);
  EXPECT_FALSE(meet(to, from).client);
  EXPECT_FALSE(meet(to, from).client);
  EXPECT_EQ(library.counters().verified, 2U);
}

TEST_F(Tls, TakesTheIssuerFromTheChainThatIsShown) {
  const Holder middle{{.name = "middle", .is_ca = true}, &ca};
  const Holder leaf{{.name = "app"}, &middle};
  EXPECT_FALSE(meet(server({.own = leaf.pair()}), client(nobody)).client);
  EXPECT_TRUE(meet(server({.own = leaf.pair(middle.certificate())}), client(nobody)).client);
  EXPECT_TRUE(meet(server({.own = leaf.pair()}), client({.ca = middle.certificate(), .name = "app"})).client)
      << "who is in the bundle is trusted by itself";
}

TEST_F(Tls, ResumesAtAnyThread) {
  resumption = make_resumption();
  const auto from = client(known);
  Library elsewhere{sessions, {}, clock};
  const auto there = elsewhere.server(mutual).value();
  const auto talk = [&](std::shared_ptr<ServerContext> to) {
    auto ends = meet(std::move(to), from);
    EXPECT_TRUE(ends.client && ends.server);
    // The ticket comes with the first bytes.
    EXPECT_EQ(pass(**ends.server, **ends.client, "x", false).first, "x");
    EXPECT_TRUE((*ends.server)->has_peer_certificate());
    return (*ends.server)->is_resumed() && (*ends.client)->is_resumed();
  };
  EXPECT_FALSE(talk(server(mutual)));
  EXPECT_TRUE(talk(there));
  EXPECT_TRUE(talk(server(mutual)));
  clock.advance(6min);
  EXPECT_FALSE(talk(there)) << "its time is over";
  // What the bundle says now holds for sessions too.
  const Holder other{{.name = "other", .is_ca = true}, nullptr};
  auto changed = mutual;
  *changed.client_ca += other.certificate();
  EXPECT_FALSE(talk(server(changed)));
}

TEST_F(Tls, ASessionEndsWithItsCertificate) {
  resumption = make_resumption();
  const Holder brief{{.name = "user", .ends = 1min}, &ca};
  const auto from = client({.ca = ca.certificate(), .name = "app", .own = brief.pair()});
  auto ends = meet(server(mutual), from);
  ASSERT_TRUE(ends.client && ends.server);
  EXPECT_EQ(pass(**ends.server, **ends.client, "x", false).first, "x");
  clock.advance(2min);
  EXPECT_FALSE(meet(server(mutual), from).server);
}

TEST_F(Tls, TheSessionsThatFollowOneEndWithItsCertificateToo) {
  resumption = make_resumption();
  const Holder brief{{.name = "user", .ends = 6min}, &ca};
  const auto from = client({.ca = ca.certificate(), .name = "app", .own = brief.pair()});
  const auto to = server(mutual);
  for (int i = 0; i < 2; ++i, clock.advance(4min)) {
    auto ends = meet(to, from);
    ASSERT_TRUE(ends.client && ends.server);
    EXPECT_EQ((*ends.server)->is_resumed(), i > 0);
    EXPECT_EQ(pass(**ends.server, **ends.client, "x", false).first, "x");
  }
  EXPECT_FALSE(meet(to, from).server) << "resumed four minutes ago, expired two minutes ago";
}

constexpr char handshake_type = 22;

/// What a client could send that has the keys and no manners: records of its own making (RFC 8446, 5.2).
class Sealer {
 public:
  /// Notes the secret of the connections that are made by `context` from now on.
  explicit Sealer(ClientContext& context) {
    SSL_CTX_set_keylog_callback(context.openssl(), [](const SSL*, const char* line) {
      const std::string_view text(line);
      if (!text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) return;
      secret().clear();
      for (auto at = text.rfind(' ') + 1; at < text.size(); at += 2)
        secret() += static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
    });
  }
  /// A record of that type; the first has number 0.
  std::string seal(char type, std::string text) {
    const auto key = expand("key", 16);
    auto nonce = expand("iv", 12);
    for (int i = 0; i < 8; ++i)
      nonce[11 - static_cast<std::size_t>(i)] ^= static_cast<char>(number_ >> (8 * i) & 0xffU);
    ++number_;
    text += type;
    const auto size = text.size() + 16;
    std::string record("\x17\x03\x03", 3);
    record += static_cast<char>(size >> 8U);
    record += static_cast<char>(size & 0xffU);
    std::string sealed(size, '\0');
    const std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>> cipher(EVP_CIPHER_CTX_new());
    const auto bytes = [](auto& from) { return reinterpret_cast<const unsigned char*>(from.data()); };
    auto* const to = reinterpret_cast<unsigned char*>(sealed.data());
    int done = 0;
    EVP_EncryptInit_ex(cipher.get(), EVP_aes_128_gcm(), nullptr, bytes(key), bytes(nonce));
    EVP_EncryptUpdate(cipher.get(), nullptr, &done, bytes(record), 5);
    EVP_EncryptUpdate(cipher.get(), to, &done, bytes(text), static_cast<int>(text.size()));
    EVP_EncryptFinal_ex(cipher.get(), to + done, &done);
    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, 16, to + text.size());
    return record + sealed;
  }
  /// A change of keys (RFC 8446, 4.6.3), after which it has others.
  std::string change_keys() {
    auto record = seal(handshake_type, std::string("\x18\0\0\1\0", 5));
    secret() = expand("traffic upd", 32);
    number_ = 0;
    return record;
  }

 private:
  static std::string& secret() {
    static std::string bytes;
    return bytes;
  }
  /// HKDF-Expand-Label (RFC 8446, 7.1) with an empty context, of one block of SHA-256.
  static std::string expand(const std::string& label, std::size_t size) {
    std::string info{'\0', static_cast<char>(size), static_cast<char>(6 + label.size())};
    info += "tls13 " + label + std::string("\0\1", 2);
    std::string block(32, '\0');
    unsigned int length = 32;
    HMAC(EVP_sha256(), secret().data(), static_cast<int>(secret().size()),
         reinterpret_cast<const unsigned char*>(info.data()), info.size(),
         reinterpret_cast<unsigned char*>(block.data()), &length);
    return block.substr(0, size);
  }
  std::uint64_t number_ = 0;
};

TEST_F(Tls, AMessageThatComesInPartsLeavesNothingForOthers) {
  const auto from = client(nobody);
  const auto to = server(plain);
  auto other = meet(to, from);
  Sealer sealer(*from);
  auto ends = meet(to, from);
  ASSERT_TRUE(ends.client && ends.server && other.client && other.server);
  auto& way = dynamic_cast<OpenConnection&>(**ends.client).transport();
  std::array<char, 64> room{};
  const auto send = [&](std::string bytes) {
    ASSERT_TRUE(reactor.block_on(runtime::write_all(way, std::move(bytes))));
    while (reactor.poll()) {
    }
  };
  // A change of keys (RFC 8446, 4.6.3), cut before its last byte.
  send(sealer.seal(handshake_type, std::string("\x18\0\0\1", 4)));
  EXPECT_TRUE((*ends.server)->try_read(room).error().would_block());
  std::string text = "answer";
  iovec part{text.data(), text.size()};
  EXPECT_TRUE((*ends.server)->try_write({&part, 1}).error().would_block()) << "OpenSSL must read first";
  bool is_woken = false;
  const auto write = [&]() -> Task<void> {
    is_woken = (co_await runtime::write_all(**ends.server, text)).has_value();
  };
  auto writing = write();
  writing.start();
  // The write is what reads this now, and what lies behind it.
  send(sealer.seal(handshake_type, std::string(1, '\0')) + std::string(5000, 'j'));
  EXPECT_TRUE(is_woken);
  EXPECT_EQ(pass(**other.client, **other.server, "hello", false).first, "hello");
  EXPECT_FALSE((*ends.server)->try_read(room)) << "what came behind is its own, and no record";
}

TEST_F(Tls, ChangesOfKeysWithoutEndAreCut) {
  const auto from = client(nobody);
  Sealer sealer(*from);
  auto ends = meet(server(plain), from, {}, 1024 * 1024);
  ASSERT_TRUE(ends.client && ends.server);
  auto& way = dynamic_cast<OpenConnection&>(**ends.client).transport();
  std::string flood;
  for (int i = 0; i < 4000; ++i) flood += sealer.change_keys();
  ASSERT_TRUE(reactor.block_on(runtime::write_all(way, std::move(flood))));
  std::array<char, 64> room{};
  runtime::IoResult<std::size_t> got = runtime::io_error(EAGAIN);
  while (!got && got.error().would_block() && reactor.poll()) got = (*ends.server)->try_read(room);
  EXPECT_EQ(got.error().code, ECONNRESET);
}

Task<Result<std::unique_ptr<Connection>>> accept_after(runtime::Reactor& reactor,
                                                       std::shared_ptr<ServerContext> context,
                                                       std::unique_ptr<runtime::Stream> transport,
                                                       runtime::Stream& client, std::string bytes,
                                                       bool ends) {
  (void)co_await runtime::write_all(client, std::move(bytes));
  if (ends) client.shutdown_write();
  co_return co_await accept(reactor, std::move(context), std::move(transport), 50ms);
}

TEST_F(Tls, SaysWhyThereIsNoHandshake) {
  const auto fault = [&](std::string bytes, bool ends = false) {
    auto [near, far] = runtime::memory_pair(reactor);
    auto made =
        reactor.block_on(accept_after(reactor, server(plain), std::move(far), *near, std::move(bytes), ends));
    return made ? Fault{FaultKind::protocol, "none"} : made.error();
  };
  EXPECT_EQ(fault("GET / HTTP/1.1\r\nHost: app\r\n\r\n").kind, FaultKind::not_tls);
  EXPECT_EQ(fault("SSH-2.0-OpenSSH_9.2\r\n").kind, FaultKind::not_tls);
  EXPECT_EQ(fault("").kind, FaultKind::timeout);
  EXPECT_EQ(fault("\x16\x03\x01").kind, FaultKind::timeout);
  EXPECT_EQ(fault("", true).kind, FaultKind::io);
  EXPECT_EQ(fault("\x16\x03\x01", true).kind, FaultKind::io);
}

TEST_F(Tls, ThreadsHaveLibrariesOfTheirOwn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      runtime::Reactor own;
      Library mine{sessions, {}, clock};
      const auto to = mine.server(mutual).value();
      const auto from = mine.client(known).value();
      const auto shared = make_resumption();
      for (int n = 0; n < 20; ++n) {
        Ends ends;
        auto [near, far] = runtime::memory_pair(own);
        std::vector<Task<void>> both;
        both.push_back(into(accept(own, to, std::move(far), limit), &ends.server));
        both.push_back(into(connect(own, from, std::move(near), {}, shared, limit), &ends.client));
        own.block_on(runtime::all(std::move(both)));
        ASSERT_TRUE(ends.client && ends.server);
        char byte = 0;
        ASSERT_TRUE(own.block_on(runtime::write_all(**ends.server, "x")));
        while (own.poll()) {
        }
        EXPECT_EQ((*ends.client)->try_read({&byte, 1}), 1U);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace weft::tls
