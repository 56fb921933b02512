#include "http/h1/chunked.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "http/h1/limits.h"
#include "http/h1/serialize.h"

namespace weft::http::h1 {
namespace {

struct Decoded {
  std::string data;
  std::string rest;
  bool done = false;
  std::optional<Refusal> refusal;
};

/// Decodes bytes that arrive in pieces of `step`.
Decoded decode(std::string_view bytes, std::size_t step, ChunkDecoder& decoder) {
  Decoded result;
  std::string arrived;
  while (!decoder.is_done()) {
    const auto got = decoder.decode(arrived);
    if (!got) {
      result.refusal = got.error();
      return result;
    }
    result.data += got->data;
    arrived.erase(0, got->consumed);
    if (got->consumed > 0) continue;
    if (bytes.empty()) break;
    arrived += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  result.done = decoder.is_done();
  result.rest = arrived + std::string(bytes);
  return result;
}

TEST(Chunked, Accepts) {
  struct Case {
    std::string_view name;
    std::string_view bytes;
    std::string_view data;
    message::Headers trailers;
  };
  const Case cases[] = {
      {"empty", "0\r\n\r\n", "", {}},
      {"one", "5\r\nhello\r\n0\r\n\r\n", "hello", {}},
      {"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", {}},
      {"hex", "A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789", {}},
      {"leading_zeros", "0005\r\nhello\r\n0\r\n\r\n", "hello", {}},
      {"data_looks_like_chunks", "7\r\n0\r\n\r\nab\r\n0\r\n\r\n", "0\r\n\r\nab", {}},
      {"extension", "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", {}},
      {"extension_quoted", "5;a=\"b;\\\" c\";d\r\nhello\r\n0\r\n\r\n", "hello", {}},
      {"extension_space", "5; a = b ;c\r\nhello\r\n0\r\n\r\n", "hello", {}},
      {"trailers", "0\r\nX-Sum: 1\r\nY: \xe9\r\n\r\n", "", {{"x-sum", "1"}, {"y", "\xe9"}}},
  };
  for (const auto& test : cases) {
    for (std::size_t step = 1; step <= test.bytes.size() + 4; ++step) {
      SCOPED_TRACE(fmt::format("{} in pieces of {}", test.name, step));
      ChunkDecoder decoder;
      const auto result = decode(std::string(test.bytes) + "next", step, decoder);
      ASSERT_FALSE(result.refusal) << to_string(*result.refusal);
      EXPECT_TRUE(result.done);
      EXPECT_EQ(result.data, test.data);
      EXPECT_EQ(result.rest, "next");
      EXPECT_EQ(decoder.trailers(), test.trailers);
    }
  }
}

struct RefusedCase {
  std::string_view name;
  std::string bytes;
  Refusal refusal;
};

std::vector<RefusedCase> chunk_cases() {
  const auto size = [](std::string_view text) { return fmt::format("{}\r\nhello\r\n0\r\n\r\n", text); };
  const std::string long_extension = ";a=" + std::string(max_chunk_extension_bytes / 2, 'b');
  return {
      {"plus", size("+5"), Refusal::bad_chunk_size},
      {"minus", size("-5"), Refusal::bad_chunk_size},
      {"prefix", size("0x5"), Refusal::bad_chunk_size},
      {"space_before", size(" 5"), Refusal::bad_chunk_size},
      {"space_after", size("5 "), Refusal::bad_chunk_size},
      {"tab_after", size("5\t"), Refusal::bad_chunk_size},
      {"space_before_extension", size("5 ;a"), Refusal::bad_chunk_size},
      {"no_size", size(""), Refusal::bad_chunk_size},
      {"not_hex", size("g"), Refusal::bad_chunk_size},
      {"underscore", size("5_0"), Refusal::bad_chunk_size},
      {"comma", size("5,5"), Refusal::bad_chunk_size},
      {"nul", size(std::string_view("5\0", 2)), Refusal::control_byte},
      {"latin1", size("5\xa0"), Refusal::bad_chunk_size},
      {"overflow", size("10000000000000005"), Refusal::chunk_size_overflow},
      {"overflow_of_zeros", size("00000000000000005"), Refusal::chunk_size_overflow},
      {"largest", size("ffffffffffffffff"), Refusal::chunk_size_overflow},
      {"above_signed", size("8000000000000000"), Refusal::chunk_size_overflow},
      {"bare_lf_after_size", "5\nhello\r\n0\r\n\r\n", Refusal::bare_lf},
      {"bare_cr_after_size", "5\rhello\r\n0\r\n\r\n", Refusal::bare_cr},
      {"lf_in_extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", Refusal::bare_lf},
      {"cr_in_extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", Refusal::bare_cr},
      {"control_in_extension", size("5;a=\"\x01\""), Refusal::control_byte},
      {"extension_without_name", size("5;"), Refusal::bad_chunk_extension},
      {"extension_without_value", size("5;a="), Refusal::bad_chunk_extension},
      {"extension_open_quote", size("5;a=\"b"), Refusal::bad_chunk_extension},
      {"extension_bad_token", size("5;a=(b)"), Refusal::bad_chunk_extension},
      {"extension_garbage", size("5;a b"), Refusal::bad_chunk_extension},
      {"extension_space_at_end", size("5;a "), Refusal::bad_chunk_extension},
      {"extension_space_at_end_of_value", size("5;a=b\t"), Refusal::bad_chunk_extension},
      {"extension_space_alone", size("5; "), Refusal::bad_chunk_extension},
      {"data_longer", "5\r\nhello!\r\n0\r\n\r\n", Refusal::chunk_longer_than_size},
      {"data_without_crlf", "5\r\nhello0\r\n\r\n", Refusal::chunk_longer_than_size},
      {"data_with_lf", "5\r\nhello\n0\r\n\r\n", Refusal::chunk_longer_than_size},
      {"data_with_cr", "5\r\nhello\r0\r\n\r\n", Refusal::chunk_longer_than_size},
      {"data_with_lf_cr", "5\r\nhello\n\r0\r\n\r\n", Refusal::chunk_longer_than_size},
      {"last_chunk_with_lf", "5\r\nhello\r\n0\n\n", Refusal::bare_lf},
      {"last_chunk_and_lf", "5\r\nhello\r\n0\r\n\n", Refusal::bare_lf},
      {"extension_too_large", size("5;a=" + std::string(max_chunk_extension_bytes, 'b')),
       Refusal::chunk_extensions_too_large},
      {"extension_endless", "5;a=" + std::string(max_chunk_extension_bytes + 100, 'b'),
       Refusal::chunk_extensions_too_large},
      {"extensions_together_too_large", fmt::format("1{0}\r\na\r\n1{0}\r\na\r\n0\r\n\r\n", long_extension),
       Refusal::chunk_extensions_too_large},
  };
}

std::vector<RefusedCase> trailer_cases() {
  const auto trailer = [](std::string_view text) { return fmt::format("0\r\n{}\r\n\r\n", text); };
  std::string fields;
  for (std::size_t i = 0; i <= max_fields; ++i) fields += fmt::format("x{}: a\r\n", i);
  return {
      {"trailer_length", trailer("Content-Length: 5"), Refusal::bad_trailer},
      {"trailer_coding", trailer("Transfer-Encoding: chunked"), Refusal::bad_trailer},
      {"trailer_host", trailer("X: a\r\nHost: a"), Refusal::bad_trailer},
      {"trailer_connection", trailer("Connection: close"), Refusal::bad_trailer},
      {"trailer_authorization", trailer("Authorization: a"), Refusal::bad_trailer},
      {"trailer_bare_cr", trailer("X: a\rY: b"), Refusal::bare_cr},
      {"trailer_nul", trailer(std::string_view("X: \0", 4)), Refusal::control_byte},
      {"trailer_bare_lf", trailer("X: a\nY: b"), Refusal::bare_lf},
      {"trailer_folded", trailer("X: a\r\n b"), Refusal::folded_field},
      {"trailer_space_before_colon", trailer("X : a"), Refusal::space_before_colon},
      {"trailer_no_colon", trailer("GET / HTTP/1.1"), Refusal::bad_field_name},
      {"trailer_too_many_fields", trailer(fields + "X: a"), Refusal::too_many_fields},
      {"trailer_too_large", trailer("X: " + std::string(max_trailer_bytes, 'a')), Refusal::trailer_too_large},
      {"trailer_endless", "0\r\nX: " + std::string(max_trailer_bytes, 'a'), Refusal::trailer_too_large},
  };
}

void expect_refused(const std::vector<RefusedCase>& cases) {
  for (const auto& test : cases) {
    for (const std::size_t step : {test.bytes.size(), 1 + test.bytes.size() / 1000}) {
      SCOPED_TRACE(fmt::format("{} in pieces of {}", test.name, step));
      ChunkDecoder decoder;
      const auto result = decode(test.bytes, step, decoder);
      ASSERT_TRUE(result.refusal.has_value());
      EXPECT_EQ(to_string(*result.refusal), to_string(test.refusal));
      EXPECT_TRUE(decoder.trailers().empty()) << "fields whose text nobody keeps";
    }
  }
}

TEST(Chunked, RefusesChunks) { expect_refused(chunk_cases()); }
TEST(Chunked, RefusesTrailers) { expect_refused(trailer_cases()); }

TEST(Chunked, AnErrorIsFinal) {
  for (const std::string bad : {"5 \r\n", "5;\r\n", "1\r\naX", "0\r\nHost: a\r\n\r\n"}) {
    ChunkDecoder decoder;
    const auto refusal = decode(bad, bad.size(), decoder).refusal;
    ASSERT_TRUE(refusal.has_value()) << bad;
    EXPECT_EQ(decode("3\r\nABC\r\n0\r\n\r\n", 100, decoder).refusal, refusal) << bad;
    EXPECT_FALSE(decoder.is_done());
    decoder.reset();
    EXPECT_EQ(decode("3\r\nABC\r\n0\r\n\r\n", 100, decoder).data, "ABC") << bad;
  }
}

TEST(Chunked, RoundTrip) {
  std::string bytes;
  append_chunk_size(bytes, 26);
  bytes += "abcdefghijklmnopqrstuvwxyz\r\n";
  append_last_chunk(bytes, {{"a", "b"}, {"content-length", "5"}});
  EXPECT_EQ(bytes, "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\na: b\r\n\r\n");
  ChunkDecoder decoder;
  EXPECT_EQ(decode(bytes, 3, decoder).data, "abcdefghijklmnopqrstuvwxyz");
  decoder.reset();
  EXPECT_EQ(decode("1\r\nz\r\n0\r\n\r\n", 100, decoder).data, "z");
  EXPECT_TRUE(decoder.trailers().empty());
}

}  // namespace
}  // namespace weft::http::h1
