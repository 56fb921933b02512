#include "message/patch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::message {
namespace {

using Lines = std::vector<std::string>;

/// What leaves of `headers`.
Lines left(const Headers& headers, const Patch& patch) {
  std::string bytes(headers.max_lines_size(), 0);
  char* end = headers.put_lines(
      bytes.data(), [&](FieldId id, std::string_view name) { return patch.leaves_out(id, name); });
  bytes.resize(static_cast<std::size_t>(end - bytes.data()));
  Lines lines;
  for (std::size_t at = 0; at < bytes.size(); at = bytes.find("\r\n", at) + 2) {
    lines.push_back(bytes.substr(at, bytes.find("\r\n", at) - at));
  }
  return lines;
}

TEST(Patch, HopByHopGoesAndTheHeadersStay) {
  const Headers headers{{"host", "h"},           {"Connection", "X-Gone, close"},
                        {"x-gone", "1"},         {"x-stays", "2"},
                        {"Keep-Alive", "5"},     {"TE", "trailers"},
                        {"Upgrade", "h2c"},      {"HTTP2-Settings", "AA"},
                        {"connection", "other"}, {"Other", "3"},
                        {"content-length", "0"}, {"Proxy-Connection", "keep-alive"},
                        {"X-GONE", "4"},         {"trailer", "x"},
                        {"close", "5"}};
  const auto before = left(headers, {});
  Patch patch;
  patch.leave_out_hop_by_hop(headers);
  EXPECT_EQ(left(headers, patch),
            (Lines{"host: h", "x-stays: 2", "content-length: 0", "trailer: x", "close: 5"}));
  EXPECT_EQ(left(headers, {}), before);
  patch.clear();
  EXPECT_EQ(left(headers, patch).size(), headers.size());
}

TEST(Patch, WhatIsNamedIsLeftOut) {
  const Headers headers{{"connection", "host, X-Forwarded-For"}, {"host", "h"}, {"x-forwarded-for", "1"}};
  Patch patch;
  patch.leave_out_hop_by_hop(headers);
  EXPECT_TRUE(left(headers, patch).empty());
  EXPECT_EQ(patch.kept(headers, FieldId::host), std::nullopt);
}

TEST(Patch, WhatIsAddedGoesBeforeWhatCame) {
  const Headers headers{{"x-request-id", "theirs"}, {"via", "a"}};
  Patch patch;
  EXPECT_EQ(patch.result(headers, FieldId::x_request_id), "theirs");
  patch.leave_out(FieldId::x_request_id);
  EXPECT_EQ(patch.result(headers, FieldId::x_request_id), std::nullopt);
  patch.added.add(FieldId::x_request_id, "ours");
  EXPECT_EQ(patch.result(headers, FieldId::x_request_id), "ours");
  EXPECT_EQ(patch.result(headers, FieldId::via), "a");
}

}  // namespace
}  // namespace weft::message
