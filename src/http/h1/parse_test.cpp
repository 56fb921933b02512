// The refusal list and what passes, as tables of named cases; each is parsed whole and with its bytes
// arriving one by one.
#include "http/h1/parse.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "http/h1/limits.h"
#include "message/scan.h"

namespace weft::http::h1 {
namespace {

using message::Method;
using Kind = Framing::Kind;

struct Parsed {
  std::expected<std::optional<std::size_t>, Refusal> result;
  message::RequestHead head;
  Framing framing;
};

Parsed parse(std::string_view bytes) {
  Parsed parsed;
  RequestParser parser;
  parsed.result = parser.parse(bytes, parsed.head);
  parsed.framing = parser.framing();
  return parsed;
}

/// As parse, but with the bytes arriving one at a time (large inputs: in a thousand pieces), at another place
/// each time.
Parsed parse_slowly(std::string_view bytes) {
  Parsed parsed;
  RequestParser parser;
  const std::size_t step = 1 + bytes.size() / 1000;
  for (std::size_t size = 1; size < bytes.size() + step; size += step) {
    const std::string arrived(bytes.substr(0, size));
    parsed.result = parser.parse(arrived, parsed.head);
    parsed.framing = parser.framing();
    if (!parsed.result || *parsed.result) break;
  }
  return parsed;
}

std::expected<std::optional<std::size_t>, Refusal> parse_response(std::string_view bytes,
                                                                  message::ResponseHead& head,
                                                                  Framing& framing,
                                                                  Method method = Method::get) {
  ResponseParser parser;
  auto result = parser.parse(bytes, head, method);
  framing = parser.framing();
  return result;
}

struct RefusedCase {
  std::string_view name;
  std::string bytes;
  Refusal refusal;
  int status = 400;
};

/// That many further members of a list.
std::string names(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += ",x";
  return text;
}

std::string request(std::string_view fields) {
  return fmt::format("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", fields);
}
std::string target(std::string_view text) { return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", text); }
std::string host(std::string_view value) { return fmt::format("GET / HTTP/1.1\r\nHost:{}\r\n\r\n", value); }
std::string line(std::string_view text) { return fmt::format("{}\r\nHost: a\r\n\r\n", text); }

std::vector<RefusedCase> framing_cases() {
  return {
      {"length_and_chunked", request("Content-Length: 5\r\nTransfer-Encoding: chunked"),
       Refusal::length_and_transfer_encoding},
      {"chunked_and_length", request("Transfer-Encoding: chunked\r\nContent-Length: 5"),
       Refusal::length_and_transfer_encoding},
      {"length_and_other_coding", request("Content-Length: 5\r\nTransfer-Encoding: gzip"),
       Refusal::length_and_transfer_encoding},
      {"length_twice", request("Content-Length: 5\r\nContent-Length: 6"), Refusal::repeated_content_length},
      {"length_twice_equal", request("Content-Length: 5\r\ncontent-length: 5"),
       Refusal::repeated_content_length},
      {"length_list", request("Content-Length: 5, 5"), Refusal::bad_content_length},
      {"length_list_differs", request("Content-Length: 5,6"), Refusal::bad_content_length},
      {"length_letters", request("Content-Length: five"), Refusal::bad_content_length},
      {"length_exponent", request("Content-Length: 5e0"), Refusal::bad_content_length},
      {"length_underscore", request("Content-Length: 1_0"), Refusal::bad_content_length},
      {"length_quoted", request("Content-Length: \"5\""), Refusal::bad_content_length},
      {"length_parameter", request("Content-Length: 5;a"), Refusal::bad_content_length},
      {"length_no_break_space", request("Content-Length: 5\xa0"), Refusal::bad_content_length},
      {"length_tab_before", request("Content-Length:\t5"), Refusal::tab_in_framing},
      {"length_tab_after", request("Content-Length: 5 \t"), Refusal::tab_in_framing},
      {"length_plus", request("Content-Length: +5"), Refusal::bad_content_length},
      {"length_minus", request("Content-Length: -5"), Refusal::bad_content_length},
      {"length_hex", request("Content-Length: 0x5"), Refusal::bad_content_length},
      {"length_inner_space", request("Content-Length: 5 5"), Refusal::bad_content_length},
      {"length_empty", request("Content-Length:"), Refusal::bad_content_length},
      {"length_point", request("Content-Length: 5.0"), Refusal::bad_content_length},
      {"length_overflow", request("Content-Length: 18446744073709551616"), Refusal::bad_content_length},
      {"length_above_signed", request("Content-Length: 9223372036854775808"), Refusal::bad_content_length},
  };
}

std::vector<RefusedCase> coding_cases() {
  return {
      {"coding_gzip", request("Transfer-Encoding: gzip"), Refusal::unsupported_transfer_encoding, 501},
      {"coding_gzip_chunked", request("Transfer-Encoding: gzip, chunked"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_chunked_twice", request("Transfer-Encoding: chunked, chunked"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_two_fields", request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_identity", request("Transfer-Encoding: identity"), Refusal::unsupported_transfer_encoding,
       501},
      {"coding_empty", request("Transfer-Encoding:"), Refusal::unsupported_transfer_encoding, 501},
      {"coding_parameter", request("Transfer-Encoding: chunked;q=1"), Refusal::unsupported_transfer_encoding,
       501},
      {"coding_vertical_tab",
       request("Transfer-Encoding: \x0b"
               "chunked"),
       Refusal::control_byte},
      {"coding_quoted", request("Transfer-Encoding: \"chunked\""), Refusal::unsupported_transfer_encoding,
       501},
      {"coding_comma", request("Transfer-Encoding: chunked,"), Refusal::unsupported_transfer_encoding, 501},
      {"coding_comma_before", request("Transfer-Encoding: ,chunked"), Refusal::unsupported_transfer_encoding,
       501},
      {"coding_chunked_gzip", request("Transfer-Encoding: chunked, gzip"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_two_fields_differ", request("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_inner_space", request("Transfer-Encoding: chu nked"), Refusal::unsupported_transfer_encoding,
       501},
      {"coding_no_break_space",
       request("Transfer-Encoding: \xa0"
               "chunked"),
       Refusal::unsupported_transfer_encoding, 501},
      {"coding_tab_before", request("Transfer-Encoding: \tchunked"), Refusal::tab_in_framing},
      {"coding_tab_after", request("Transfer-Encoding: chunked\t"), Refusal::tab_in_framing},
      {"coding_form_feed", request("Transfer-Encoding: chunked\x0c"), Refusal::control_byte},
      {"coding_in_1_0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
       Refusal::transfer_encoding_in_http_1_0},
      {"connect_with_length", "CONNECT b:80 HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n",
       Refusal::content_in_connect},
      {"connect_with_coding", "CONNECT b:80 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n",
       Refusal::content_in_connect},
      {"connection_names_too_many", request("Connection: x" + names(max_fields)), Refusal::too_many_fields,
       431},
      {"connection_names_length", request("Connection: close, Content-Length"),
       Refusal::connection_names_framing},
      {"connection_names_coding", request("Connection: transfer-encoding"),
       Refusal::connection_names_framing},
      {"connection_names_host", request("Connection: HOST"), Refusal::connection_names_framing},
      {"second_connection_names_host", request("Connection: close\r\nConnection: x,host"),
       Refusal::connection_names_framing},
  };
}

std::vector<RefusedCase> line_cases() {
  return {
      {"bare_lf_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::bare_lf},
      {"bare_lf_field", "GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::bare_lf},
      {"bare_lf_end", "GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::bare_lf},
      {"bare_lf_before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::bare_lf},
      {"bare_cr_in_value", request("X: a\rb"), Refusal::bare_cr},
      {"bare_cr_request_line", "GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::bare_cr},
      {"bare_cr_field", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", Refusal::bare_cr},
      {"two_cr", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refusal::bare_cr},
      {"two_empty_lines_before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::bad_request_line},
      {"folded", request("X: a\r\n b"), Refusal::folded_field},
      {"folded_tab", request("X: a\r\n\tb"), Refusal::folded_field},
      {"folded_first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::folded_field},
      {"folded_coding", request("Transfer-Encoding:\r\n chunked"), Refusal::folded_field},
      {"blank_line_of_space", request("X: a\r\n "), Refusal::folded_field},
      {"space_before_colon", request("X : a"), Refusal::space_before_colon},
      {"tab_before_colon", request("X\t: a"), Refusal::space_before_colon},
      {"space_before_colon_of_length", request("Content-Length : 5"), Refusal::space_before_colon},
      {"space_before_colon_of_coding", request("Transfer-Encoding : chunked"), Refusal::space_before_colon},
      {"empty_name", request(": a"), Refusal::bad_field_name},
      {"no_colon", request("X"), Refusal::missing_colon},
      {"space_in_name", request("X Y: a"), Refusal::bad_field_name},
      {"bracket_in_name", request("X[0]: a"), Refusal::bad_field_name},
      {"slash_in_name", request("X/Y: a"), Refusal::bad_field_name},
      {"at_in_name", request("X@Y: a"), Refusal::bad_field_name},
      {"latin1_in_name", request("X\xe9: a"), Refusal::bad_field_name},
      {"quote_in_name", request("\"X\": a"), Refusal::bad_field_name},
      {"nul_in_name", request(std::string_view("X\0: a", 5)), Refusal::control_byte},
      {"nul_in_value", request(std::string_view("X: a\0b", 6)), Refusal::control_byte},
      {"del_in_value", request("X: a\x7f"), Refusal::control_byte},
      {"escape_in_value", request("X: \x1b[0m"), Refusal::control_byte},
      {"vertical_tab_in_value", request("X: a\x0b"), Refusal::control_byte},
  };
}

std::vector<RefusedCase> request_line_cases() {
  return {
      {"empty_method", line(" / HTTP/1.1"), Refusal::bad_method},
      {"bad_method", line("G(T / HTTP/1.1"), Refusal::bad_method},
      {"method_colon", line("GET: / HTTP/1.1"), Refusal::bad_method},
      {"method_latin1", line("G\xc9T / HTTP/1.1"), Refusal::bad_method},
      {"space_before_method", line(" GET / HTTP/1.1"), Refusal::bad_method},
      {"tab_after_method", line("GET\t/ HTTP/1.1"), Refusal::bad_method},
      {"tab_before_version", line("GET /\tHTTP/1.1"), Refusal::unsupported_version, 505},
      {"long_method", line(std::string(max_method_bytes + 1, 'A') + " / HTTP/1.1"), Refusal::bad_method},
      {"two_spaces", line("GET  / HTTP/1.1"), Refusal::bad_target_byte},
      {"space_in_target", line("GET /a b HTTP/1.1"), Refusal::bad_target_byte},
      {"space_at_end", line("GET / HTTP/1.1 "), Refusal::bad_version},
      {"two_spaces_before_version", line("GET /  HTTP/1.1"), Refusal::bad_target_byte},
      {"two_targets", line("GET / HTTP/1.1 / HTTP/1.1"), Refusal::bad_target_byte},
      {"no_target", line("GET HTTP/1.1"), Refusal::unsupported_version, 505},
      {"empty_target", line("GET  HTTP/1.1"), Refusal::bad_request_line},
      {"method_alone", line("GET"), Refusal::bad_request_line},
      {"method_and_space", line("GET "), Refusal::bad_request_line},
      {"tab_in_target", target("/a\tb"), Refusal::bad_target_byte},
      {"tls", std::string("\x16\x03\x01\x02\x00\x01", 6), Refusal::speaks_tls},
      {"control_in_target", target("/a\x01"), Refusal::control_byte},
      {"del_in_target", target("/a\x7f"), Refusal::control_byte},
      {"latin1_in_target", target("/caf\xe9"), Refusal::bad_target_byte},
      {"utf8_in_target", target("/caf\xc3\xa9"), Refusal::bad_target_byte},
      {"utf8_in_query", target("/?caf\xc3\xa9"), Refusal::bad_target_byte},
      {"fragment", target("/a#b"), Refusal::target_fragment},
      {"fragment_in_query", target("/a?b#"), Refusal::target_fragment},
      {"fragment_absolute", target("http://b/#x"), Refusal::target_fragment},
      {"userinfo", target("http://user@b/"), Refusal::target_userinfo},
      {"userinfo_password", target("http://user:pw@b/"), Refusal::target_userinfo},
      {"relative", target("a"), Refusal::bad_target},
      {"star_get", target("*"), Refusal::bad_target},
      {"star_path", line("OPTIONS *a HTTP/1.1"), Refusal::bad_target},
      {"authority_form_get", target("b:80"), Refusal::bad_target},
      {"other_scheme", target("ftp://b/"), Refusal::bad_target},
      {"absolute_no_host", target("http:///a"), Refusal::bad_target},
      {"absolute_port_only", target("http://:80/"), Refusal::bad_target},
      {"connect_port_empty", line("CONNECT b: HTTP/1.1"), Refusal::bad_target},
      {"absolute_bad_port", target("http://b:99999/"), Refusal::bad_target},
      {"absolute_backslash", target("http://b\\c/"), Refusal::bad_target},
      {"absolute_escape_in_host", target("http://b%2ec/"), Refusal::bad_target},
      {"absolute_empty_label", target("http://b..c/"), Refusal::bad_target},
      {"absolute_one_slash", target("http:/b/"), Refusal::bad_target},
      {"connect_path", line("CONNECT / HTTP/1.1"), Refusal::bad_target},
      {"connect_no_port", line("CONNECT b HTTP/1.1"), Refusal::bad_target},
      {"connect_userinfo", line("CONNECT u@b:80 HTTP/1.1"), Refusal::target_userinfo},
      {"escape_short", target("/a%2"), Refusal::bad_target_escape},
      {"escape_not_hex", target("/%zz"), Refusal::bad_target_escape},
      {"escape_nul", target("/a%00b"), Refusal::bad_target_escape},
      {"http_0_9", "GET /\r\n", Refusal::unsupported_version, 505},
      {"version_0_9", line("GET / HTTP/0.9"), Refusal::unsupported_version, 505},
      {"version_2", line("GET / HTTP/2.0"), Refusal::unsupported_version, 505},
      {"version_3", line("GET / HTTP/3.1"), Refusal::unsupported_version, 505},
      {"version_1", line("GET / HTTP/1"), Refusal::bad_version},
      {"version_11", line("GET / HTTP/1.11"), Refusal::bad_version},
      {"version_01", line("GET / HTTP/01.1"), Refusal::bad_version},
      {"version_lower", line("GET / http/1.1"), Refusal::bad_version},
      {"version_sign", line("GET / HTTP/+1.1"), Refusal::bad_version},
      {"version_rtsp", line("DESCRIBE / RTSP/1.0"), Refusal::bad_version},
      {"version_comma", line("GET / HTTP/1,1"), Refusal::bad_version},
      {"version_other", line("GET / HTPP/1.1"), Refusal::bad_version},
      {"http2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::unsupported_version, 505},
  };
}

std::vector<RefusedCase> host_and_limit_cases() {
  std::string fields;
  for (std::size_t i = 0; i < max_fields; ++i) fields += fmt::format("x-{}: a\r\n", i);
  return {
      {"host_missing", "GET / HTTP/1.1\r\nAccept: a\r\n\r\n", Refusal::missing_host},
      {"host_missing_absolute", "GET http://b/ HTTP/1.1\r\n\r\n", Refusal::missing_host},
      {"host_repeated", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refusal::repeated_host},
      {"host_repeated_1_0", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", Refusal::repeated_host},
      {"host_empty", host(""), Refusal::bad_host},
      {"host_blank", host("   "), Refusal::bad_host},
      {"host_tab_before", host("\ta"), Refusal::tab_in_framing},
      {"host_tab_after", host("a\t"), Refusal::tab_in_framing},
      {"host_empty_label", host("a..b"), Refusal::bad_host},
      {"host_list", host("a,b"), Refusal::bad_host},
      {"host_list_spaced", host("a, b"), Refusal::bad_host},
      {"host_space", host("a b"), Refusal::bad_host},
      {"host_userinfo", host("u@a"), Refusal::bad_host},
      {"host_path", host("a/b"), Refusal::bad_host},
      {"host_query", host("a?b"), Refusal::bad_host},
      {"host_fragment", host("a#b"), Refusal::bad_host},
      {"host_backslash", host("a\\b"), Refusal::bad_host},
      {"host_escape", host("a%20b"), Refusal::bad_host},
      {"host_url", host("http://a"), Refusal::bad_host},
      {"host_port", host("a:b"), Refusal::bad_host},
      {"host_port_only", host(":"), Refusal::bad_host},
      {"host_port_sign", host("a:+80"), Refusal::bad_host},
      {"host_two_ports", host("a:80:80"), Refusal::bad_host},
      {"host_port_range", host("a:65536"), Refusal::bad_host},
      {"host_bracket", host("[::1"), Refusal::bad_host},
      {"host_bare_ipv6", host("::1"), Refusal::bad_host},
      {"host_latin1", host("caf\xe9"), Refusal::bad_host},
      {"bad_host_absolute", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", Refusal::bad_host},
      {"target_too_long", target("/" + std::string(max_target_bytes, 'a')), Refusal::target_too_long, 414},
      {"target_endless", "GET /" + std::string(max_target_bytes + 100, 'a'), Refusal::target_too_long, 414},
      {"too_many_fields", request(fields + "x: a"), Refusal::too_many_fields, 431},
      {"head_too_large", request("x: " + std::string(max_head_bytes, 'a')), Refusal::head_too_large, 431},
      {"head_endless", "GET / HTTP/1.1\r\nx: " + std::string(max_head_bytes, 'a'), Refusal::head_too_large,
       431},
  };
}

void expect_refused(const std::vector<RefusedCase>& cases) {
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    const auto parsed = parse(test.bytes);
    const auto& whole = parsed.result;
    ASSERT_FALSE(whole.has_value());
    EXPECT_EQ(to_string(whole.error()), to_string(test.refusal));
    EXPECT_EQ(status_of(whole.error()), test.status);
    EXPECT_TRUE(parsed.head.headers.empty()) << "fields whose text nobody keeps";
    EXPECT_FALSE(describe(whole.error()).empty());
    const auto slow = parse_slowly(test.bytes).result;
    ASSERT_FALSE(slow.has_value());
    EXPECT_EQ(to_string(slow.error()), to_string(test.refusal));
  }
}

TEST(RequestRefused, Framing) { expect_refused(framing_cases()); }
TEST(RequestRefused, TransferEncoding) { expect_refused(coding_cases()); }
TEST(RequestRefused, Lines) { expect_refused(line_cases()); }
TEST(RequestRefused, RequestLine) { expect_refused(request_line_cases()); }
TEST(RequestRefused, HostAndLimits) { expect_refused(host_and_limit_cases()); }

struct AcceptedCase {
  std::string_view name;
  std::string bytes;
  std::string_view method = "GET";
  std::string_view target = "/";
  std::string_view authority = "a";
  Framing framing = {};
  message::Version version = message::Version::http_1_1;
};

std::vector<AcceptedCase> accepted_cases() {
  static const std::string longest = "/" + std::string(max_target_bytes - 1, 'a');
  return {
      {"plain", request("X: y")},
      {"empty_line_before", "\r\n" + request("X: y")},
      {"raw_query", target("/a?b[]={c}|d"), "GET", "/a?b[]={c}|d"},
      {"raw_path", target("/a\"<>\\^`"), "GET", "/a\"<>\\^`"},
      {"query_bad_escape", target("/?100%"), "GET", "/?100%"},
      {"two_slashes", target("//b/c"), "GET", "//b/c"},
      {"at_in_path", target("/@b:c"), "GET", "/@b:c"},
      {"absolute", target("http://b:81/x?y"), "GET", "/x?y", "b:81"},
      {"absolute_upper", target("HTTPS://B"), "GET", "/", "B"},
      {"absolute_query", target("http://b?y"), "GET", "/?y", "b"},
      {"absolute_at_in_query", target("http://b/?u@c"), "GET", "/?u@c", "b"},
      {"absolute_ipv6", target("http://[::1]:8/"), "GET", "/", "[::1]:8"},
      {"absolute_port_empty", target("http://b:/"), "GET", "/", "b:"},
      {"host_port_empty", host("a:"), "GET", "/", "a:"},
      {"host_port_empty_ipv6", host("[::1]:"), "GET", "/", "[::1]:"},
      {"host_port_zero", host("a:0"), "GET", "/", "a:0"},
      {"host_port_leading_zeros", host("a:0080"), "GET", "/", "a:0080"},
      {"absolute_1_0_without_host",
       "GET http://b/ HTTP/1.0\r\n\r\n",
       "GET",
       "/",
       "b",
       {},
       message::Version::http_1_0},
      {"options_star", line("OPTIONS * HTTP/1.1"), "OPTIONS", "*"},
      {"options_absolute", line("OPTIONS http://b:1 HTTP/1.1"), "OPTIONS", "*", "b:1"},
      {"connect", line("CONNECT b:443 HTTP/1.1"), "CONNECT", "", "b:443"},
      {"connect_without_content", line("CONNECT b:443 HTTP/1.1\r\nContent-Length: 0"), "CONNECT", "", "b:443",
       Framing::of_length(0)},
      {"other_method", line("M-SEARCH / HTTP/1.1"), "M-SEARCH"},
      {"lower_method_is_another", line("get / HTTP/1.1"), "get"},
      {"minor_version", line("GET / HTTP/1.9")},
      {"version_1_0", "GET / HTTP/1.0\r\n\r\n", "GET", "/", "", {}, message::Version::http_1_0},
      {"length", request("Content-Length: 5"), "GET", "/", "a", Framing::of_length(5)},
      {"length_zero", request("Content-Length: 0"), "GET", "/", "a", Framing::of_length(0)},
      {"length_leading_zero", request("Content-Length: 007"), "GET", "/", "a", Framing::of_length(7)},
      {"length_largest", request("Content-Length: 9223372036854775807"), "GET", "/", "a",
       Framing::of_length(max_body_length)},
      {"length_space_around", request("Content-Length:  5  "), "GET", "/", "a", Framing::of_length(5)},
      {"chunked", request("Transfer-Encoding: chunked"), "GET", "/", "a", Framing::chunked()},
      {"chunked_any_case", request("transfer-encoding:CHUNKED"), "GET", "/", "a", Framing::chunked()},
      {"longest_target", target(longest), "GET", longest},
      {"connection_option", request("Connection: keep-alive, X-Host")},
  };
}

TEST(RequestAccepted, Table) {
  const auto cases = accepted_cases();
  for (const auto& test : cases) {
    for (const auto& parsed : {parse(test.bytes), parse_slowly(test.bytes)}) {
      SCOPED_TRACE(test.name);
      ASSERT_TRUE(parsed.result.has_value()) << to_string(parsed.result.error());
      EXPECT_EQ(*parsed.result, test.bytes.size());
      EXPECT_EQ(parsed.head.method_text(), test.method);
      EXPECT_EQ(parsed.head.target, test.target);
      EXPECT_EQ(parsed.head.authority(), test.authority);
      EXPECT_EQ(parsed.head.version, test.version);
      EXPECT_TRUE(parsed.framing == test.framing);
    }
  }
}

TEST(RequestAccepted, FieldsAsSent) {
  const auto parsed = parse(
      "GET / HTTP/1.1\r\nhOst:a\r\nX-Latin:\t caf\xe9 \xff \t\r\nEmpty:\r\nQ: \"a, b\"\tc\r\nEmpty: "
      "2\r\n\r\nbody");
  ASSERT_TRUE(parsed.result.has_value());
  const message::Headers expected{
      {"hOst", "a"}, {"X-Latin", "caf\xe9 \xff"}, {"Empty", ""}, {"Q", "\"a, b\"\tc"}, {"Empty", "2"}};
  EXPECT_EQ(parsed.head.headers, expected);
  EXPECT_EQ(parsed.head.headers[0].name, "hOst");
}

TEST(RequestAccepted, FieldCountAtItsLimit) {
  std::string fields;
  for (std::size_t i = 2; i < max_fields; ++i) fields += fmt::format("x-{}: a\r\n", i);
  EXPECT_TRUE(parse(request(fields + "x: a")).result.has_value());
}

TEST(RequestParser, ParsesOneAfterTheOther) {
  RequestParser parser;
  message::RequestHead head;
  ASSERT_TRUE(parser.parse(target("http://b/long/enough/to/need/memory"), head).value());
  parser.reset();
  head.clear();
  ASSERT_TRUE(parser.parse(request("A: b"), head).value());
  EXPECT_EQ(head.authority(), "a");
  EXPECT_EQ(head.headers, (message::Headers{{"Host", "a"}, {"A", "b"}}));
}

TEST(Request, KeepAlive) {
  struct Case {
    std::string_view version;
    std::string_view connection;
    bool keeps;
  };
  for (const auto& [version, connection, keeps] :
       {Case{"1.1", "", true}, Case{"1.1", "close", false}, Case{"1.1", "x, Close", false},
        Case{"1.0", "", false}, Case{"1.0", "Keep-Alive", true}, Case{"1.0", "keep-alive, close", false}}) {
    const auto parsed =
        parse(fmt::format("GET / HTTP/{}\r\nHost: a\r\nConnection: {}\r\n\r\n", version, connection));
    ASSERT_TRUE(parsed.result.has_value());
    EXPECT_EQ(keeps_alive(parsed.head.version, parsed.head.headers), keeps) << version << " " << connection;
  }
}

TEST(Request, ExpectContinue) {
  const auto expects = [](const std::string& bytes) {
    const auto parsed = parse(bytes);
    return parsed.result.has_value() && expects_continue(parsed.head, parsed.framing);
  };
  EXPECT_TRUE(expects(request("Expect: 100-Continue\r\nContent-Length: 3")));
  EXPECT_FALSE(expects(request("Expect: 100-continue")));
  EXPECT_FALSE(expects(request("Expect: other\r\nContent-Length: 3")));
  EXPECT_FALSE(expects("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
}

TEST(Response, Framing) {
  struct Case {
    std::string_view name;
    std::string_view bytes;
    Framing framing;
    Method method = Method::get;
  };
  const Framing announced{Kind::none, 0, 5};
  for (const auto& test : {
           Case{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::of_length(5)},
           Case{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::chunked()},
           Case{"until_close", "HTTP/1.1 200 OK\r\n\r\n", Framing::until_close()},
           Case{"until_close_1_0", "HTTP/1.0 200 OK\r\n\r\n", Framing::until_close()},
           Case{"no_reason", "HTTP/1.1 404 \r\nContent-Length: 5\r\n\r\n", Framing::of_length(5)},
           Case{"no_reason_no_space", "HTTP/1.1 404\r\nContent-Length: 5\r\n\r\n", Framing::of_length(5)},
           Case{"head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", announced, Method::head},
           Case{"head_chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {}, Method::head},
           Case{"interim", "HTTP/1.1 100 Continue\r\n\r\n", {}},
           Case{"early_hints", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", {}},
           Case{"upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", {}},
           Case{"no_content", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", {}},
           Case{"not_modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", announced},
           Case{"connect", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, Method::connect},
           Case{"connect_refused", "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", Framing::of_length(5),
                Method::connect},
           Case{"latin1_reason", "HTTP/1.1 200 Pas de probl\xe8me\r\nContent-Length: 5\r\n\r\n",
                Framing::of_length(5)},
       }) {
    SCOPED_TRACE(test.name);
    message::ResponseHead head;
    Framing framing;
    const auto result = parse_response(test.bytes, head, framing, test.method);
    ASSERT_TRUE(result.has_value()) << to_string(result.error());
    EXPECT_EQ(*result, test.bytes.size());
    EXPECT_TRUE(framing == test.framing);
    const bool is_cut_by_close = framing.kind == Kind::until_close;
    EXPECT_TRUE(Framing::of(framing.content(), Kind::chunked) ==
                (is_cut_by_close ? Framing::chunked() : framing));
  }
}

TEST(Response, Refused) {
  struct Case {
    std::string_view name;
    std::string_view bytes;
    Refusal refusal;
  };
  for (const auto& test : {
           Case{"length_and_chunked",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refusal::length_and_transfer_encoding},
           Case{"length_twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                Refusal::repeated_content_length},
           Case{"bad_length_of_304", "HTTP/1.1 304 OK\r\nContent-Length: x\r\n\r\n",
                Refusal::bad_content_length},
           Case{"coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                Refusal::unsupported_transfer_encoding},
           Case{"coding_1_0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refusal::transfer_encoding_in_http_1_0},
           Case{"bare_lf", "HTTP/1.1 200 OK\n\n", Refusal::bare_lf},
           Case{"bare_cr", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", Refusal::bare_cr},
           Case{"space_before_colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Refusal::space_before_colon},
           Case{"empty_name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n", Refusal::bad_field_name},
           Case{"no_colon", "HTTP/1.1 200 OK\r\nA\r\n\r\n", Refusal::missing_colon},
           Case{"coding_tab_after", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n",
                Refusal::tab_in_framing},
           Case{"length_list", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
                Refusal::bad_content_length},
           Case{"coding_two_fields",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refusal::unsupported_transfer_encoding},
           Case{"folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Refusal::folded_field},
           Case{"version", "HTTP/2.0 200 OK\r\n\r\n", Refusal::unsupported_version},
           Case{"no_version", "ICY 200 OK\r\n\r\n", Refusal::bad_version},
           Case{"status_sign", "HTTP/1.1 +20 OK\r\n\r\n", Refusal::bad_status_line},
           Case{"short_status", "HTTP/1.1 20\r\n\r\n", Refusal::bad_status_line},
           Case{"long_status", "HTTP/1.1 2000 OK\r\n\r\n", Refusal::bad_status_line},
           Case{"status_below_100", "HTTP/1.1 099 OK\r\n\r\n", Refusal::bad_status_line},
           Case{"status_letters", "HTTP/1.1 2OO OK\r\n\r\n", Refusal::bad_status_line},
           Case{"empty_line_before", "\r\nHTTP/1.1 200 OK\r\n\r\n", Refusal::bad_version},
           Case{"two_spaces", "HTTP/1.1  200 OK\r\n\r\n", Refusal::bad_status_line},
           Case{"control_in_reason", "HTTP/1.1 200 O\x01K\r\n\r\n", Refusal::control_byte},
           Case{"connection_names_length", "HTTP/1.1 200 OK\r\nConnection: content-length\r\n\r\n",
                Refusal::connection_names_framing},
       }) {
    SCOPED_TRACE(test.name);
    message::ResponseHead head;
    Framing framing;
    const auto result = parse_response(test.bytes, head, framing);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(to_string(result.error()), to_string(test.refusal));
    EXPECT_TRUE(head.headers.empty());
  }
}

TEST(Scan, FindsEachControlByteAtEachPlace) {
  for (int c = 0; c < 256; ++c) {
    const auto byte = static_cast<char>(c);
    const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
    EXPECT_EQ(message::is_control(byte), control) << c;
    for (std::size_t at = 0; at < 40; ++at) {
      std::string text(40, 'a');
      text[at] = byte;
      EXPECT_EQ(message::find_control(text, 0), control ? at : text.size()) << c << " at " << at;
    }
  }
}

TEST(Request, ConnectionNamesAsManyFieldsAsAHeadMayHave) {
  EXPECT_TRUE(parse(request("Connection: x" + names(max_fields - 1))).result);
}

}  // namespace
}  // namespace weft::http::h1
