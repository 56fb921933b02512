// Calls of gRPC as flows: what their ends are to the client, in metrics, and in time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/grpc/status.h"
#include "proxy/h2_harness.h"

namespace weft::proxy::testing {
namespace {

TEST_F(H2Flow, ARefusedCallIsTheirKindOfStatus) {
  backend(1).mode = Backend::Mode::refuse;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head(Method::post, call_headers()), Content::unknown());
  EXPECT_EQ(status(asking), 200);
  const auto end = http::grpc::read_status(asking.head().headers);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, http::grpc::Code::unavailable);
  EXPECT_EQ(end->message, "web.default: the service refuses connections: nothing listens at its port");
  EXPECT_TRUE(asking.body_done());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"},
                                           {"request_protocol", "grpc"},
                                           {"grpc_response_status", "14"},
                                           {"response_flags", "UF"}}),
            1U);
  auto plain = ask(connection, head());
  EXPECT_EQ(status(plain), 503) << "others are answered in words";
}

TEST_F(H2Flow, ACallThatBreaksOffEndsByAStatus) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head(Method::post, call_headers()), Content::unknown());
  {
    auto answering = called();
    begin_answer(answering, 200, {{"content-type", "application/grpc"}});
    write(answering, "half", false);
    backend(1).sessions.clear();
  }
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(read(asking), "half");
  EXPECT_TRUE(asking.body_done());
  EXPECT_EQ(asking.trailers().find("grpc-status"), "14");
}

TEST_F(H2Flow, ACallsEndIsCounted) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  for (const bool has_body : {false, true}) {
    auto asking = ask(connection, head(Method::post, call_headers()), Content::unknown());
    write(asking, "x", true);
    auto answering = called();
    EXPECT_EQ(answering.head().headers.find("te"), "trailers");
    const Headers end{{"grpc-status", "5"}};
    if (has_body) {
      begin_answer(answering, 200);
      write(answering, "y", true, &end);
    } else {
      answer(answering, 200, end);
    }
    settle();
  }
  EXPECT_EQ(total("istio_requests_total", {{"grpc_response_status", "5"}, {"response_flags", "-"}}), 2U);
}

TEST_F(H2Flow, ACallsDeadlineBoundsTheRoutesTime) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  for (const bool has_begun : {false, true}) {
    auto headers = call_headers();
    headers.add("grpc-timeout", "2S");
    auto asking = ask(connection, head(Method::post, headers), Content::unknown());
    auto answering = called();
    if (has_begun) begin_answer(answering, 200);
    advance(1900ms);
    EXPECT_TRUE(answering.is_open());
    advance(200ms);
    EXPECT_FALSE(answering.is_open());
    EXPECT_EQ(status(asking), 200);
    EXPECT_EQ(read(asking), "");
    EXPECT_EQ((has_begun ? asking.trailers() : asking.head().headers).find("grpc-status"), "4");
  }
}

TEST_F(H2Flow, ABadDeadlineGoesToNobody) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto headers = call_headers();
  headers.add("grpc-timeout", "1x");
  auto asking = ask(connection, head(Method::post, headers), Content::unknown());
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(asking.head().headers.find("grpc-status"), "13");
  EXPECT_EQ(backend(1).connections, 0U);
}

TEST_F(H2Flow, ADialogueMayBeOneSidedForLong) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head(Method::post, call_headers()), Content::unknown());
  write(asking, "a", false);
  auto answering = called();
  begin_answer(answering, 200, {{"content-type", "application/grpc"}});
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(read(answering), "a");
  for (int i = 0; i < 3; ++i) {
    advance(250s);
    write(answering, "b", false);
    EXPECT_EQ(read(asking), "b");
  }
  for (int i = 0; i < 3; ++i) {
    advance(250s);
    write(asking, "a", false);
    EXPECT_EQ(read(answering), "a");
  }
  advance(299s);
  EXPECT_TRUE(answering.is_open());
  advance(2s);
  EXPECT_FALSE(answering.is_open()) << "neither has spoken for the route's idleTimeout";
  read(asking);
  EXPECT_EQ(asking.trailers().find("grpc-status"), "4");
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UT"}}), 1U);
}

TEST_F(H2Flow, ACallThatItsClientGivesUp) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  const auto give_up = [&](bool has_begun, base::Duration after) {
    auto headers = call_headers();
    headers.add("grpc-timeout", "2S");
    auto asking = ask(connection, head(Method::post, headers), Content::unknown());
    auto answering = called();
    if (has_begun) begin_answer(answering, 200, {{"content-type", "application/grpc"}});
    clock_.advance(after);
    asking.reset(http::h2::ResetCode::cancel);
    settle();
    EXPECT_FALSE(answering.is_open());
  };
  for (const bool has_begun : {false, true}) {
    give_up(has_begun, 1s);
    give_up(has_begun, 2s);
  }
  EXPECT_EQ(total("istio_requests_total", {{"grpc_response_status", "1"}, {"response_flags", "DC"}}), 2U);
  EXPECT_EQ(total("istio_requests_total", {{"grpc_response_status", "4"}}), 2U);
}

}  // namespace
}  // namespace weft::proxy::testing
