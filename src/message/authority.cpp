#include "message/authority.h"

#include <algorithm>
#include <charconv>

#include "base/host.h"
#include "message/scan.h"
#include "message/syntax.h"

namespace weft::message {
namespace {

int hex_value(char c) {
  const char lower = ascii_lower(c);
  if (c >= '0' && c <= '9') return c - '0';
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

/// The size of the host at the front of an authority; npos for an open bracket.
std::size_t host_size(std::string_view text) {
  if (!text.starts_with('[')) return std::min(text.find(':'), text.size());
  const auto close = text.find(']');
  return close == std::string_view::npos ? close : close + 1;
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) return base::is_ipv6(host);
  return is_unreserved(host) && base::is_host_name(host);
}

std::string decode_parameter(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced).value_or(spaced);
}

}  // namespace

std::optional<Authority> split_authority(std::string_view text) {
  const auto size = host_size(text);
  if (size == std::string_view::npos) return std::nullopt;
  Authority result{text.substr(0, size), std::nullopt};
  if (!is_host(result.host)) return std::nullopt;
  if (size == text.size()) return result;
  if (text[size] != ':') return std::nullopt;
  const auto digits = text.substr(size + 1);
  if (digits.empty()) return result;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  result.port = port;
  return result;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved({&c, 1}) || keep.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> result;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    const auto equals = std::min(parameter.find('='), parameter.size());
    const auto value = parameter.substr(std::min(equals + 1, parameter.size()));
    result.emplace_back(decode_parameter(parameter.substr(0, equals)), decode_parameter(value));
  }
  return result;
}

std::optional<std::vector<std::string>> path_segments(std::string_view path) {
  std::vector<std::string> result;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    auto segment = percent_decode(path.substr(0, end));
    if (!segment) return std::nullopt;
    result.push_back(std::move(*segment));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return result;
}

}  // namespace weft::message
