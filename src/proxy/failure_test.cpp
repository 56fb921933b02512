#include "proxy/failure.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::proxy {
namespace {

using decide::Effect;
using http::grpc::Code;
using telemetry::ResponseFlag;

TEST(Failure, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (auto number = 0; number <= static_cast<int>(Failure::malformed_response); ++number) {
    const auto failure = static_cast<Failure>(number);
    EXPECT_TRUE(names.insert(name_of(failure)).second) << name_of(failure);
    for (const auto effect : {Effect::none, Effect::possible, Effect::certain})
      EXPECT_EQ(read_mark(to_string(Mark{failure, effect})), (Mark{failure, effect}));
    EXPECT_EQ(describe(failure).empty(), failure == Failure::none);
  }
  for (const auto* text :
       {"", "whatever", "UF", "connect_refused", "connect_refused x", "connect_refused none none"})
    EXPECT_EQ(read_mark(text), Mark{}) << text;
}

TEST(Failure, WhatEachIsForWhom) {
  struct Case {
    Failure failure;
    int status;
    ResponseFlag flag;
    Code grpc;
    Effect effect;
  };
  for (const auto& [failure, status, flag, grpc, effect] : std::initializer_list<Case>{
           {Failure::no_route, 404, ResponseFlag::no_route, Code::unimplemented, Effect::none},
           {Failure::too_many_pending, 503, ResponseFlag::overflow, Code::unavailable, Effect::none},
           {Failure::connect_refused, 503, ResponseFlag::connect_failure, Code::unavailable, Effect::none},
           {Failure::tls_failed, 503, ResponseFlag::connect_failure, Code::unavailable, Effect::none},
           {Failure::closed_at_rest, 503, ResponseFlag::upstream_closed, Code::unavailable, Effect::none},
           {Failure::reset_before_response, 503, ResponseFlag::upstream_closed, Code::unavailable,
            Effect::possible},
           {Failure::closed_unanswered, 503, ResponseFlag::upstream_closed, Code::unavailable,
            Effect::certain},
           {Failure::response_timeout, 504, ResponseFlag::upstream_timeout, Code::deadline_exceeded,
            Effect::certain},
           {Failure::malformed_response, 502, ResponseFlag::upstream_protocol_error, Code::internal,
            Effect::certain},
       }) {
    EXPECT_EQ(status_of(failure), status) << name_of(failure);
    EXPECT_EQ(flag_of(failure), flag) << name_of(failure);
    EXPECT_EQ(grpc_code_of(failure), grpc) << name_of(failure);
    EXPECT_EQ(effect_of(failure), effect) << name_of(failure);
    EXPECT_FALSE(is_of_client(failure)) << name_of(failure);
  }
}

}  // namespace
}  // namespace weft::proxy
