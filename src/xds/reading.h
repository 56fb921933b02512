// What decoding shares: where a resource stands while it is read, and the values that all of them have.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/origin.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/duration.pb.h"
#include "xds/names.h"
#include "xds/serialize.h"
#include "xds/unknown.h"
#include "xds/wire.h"

namespace weft::xds {

/// Reads one resource: knows what it is, so that an error says where it stands, and keeps the first error.
class Reading {
 public:
  Reading(std::string_view what, Ignored& ignored) : what_(what), ignored_(ignored) {}

  void name(const std::string& name) { name_ = name; }
  void origin(const base::Origin& origin) { origin_ = origin; }
  void refuse(std::string text) {
    if (refusal_.empty()) refusal_ = std::move(text);
  }
  template <class Message>
  void scan(const Message& message, const UnknownPolicy& policy) {
    if (auto text = scan_unknown(unknown_fields(message), policy, ignored_)) refuse(std::move(*text));
  }
  void pass_over(std::string what) { ignore(ignored_, std::move(what)); }
  bool failed() const { return !refusal_.empty(); }

  template <class T>
  std::expected<T, XdsError> result(T value) const {
    if (!failed()) return value;
    auto origin = origin_.to_string();
    return base::fail(XdsErrorKind::invalid_resource,
                      fmt::format("{} {}{}: {}", what_, name_.empty() ? "without a name" : name_,
                                  origin.empty() ? origin : " (" + origin + ")", refusal_));
  }

 private:
  std::string_view what_;
  Ignored& ignored_;
  std::string name_;
  base::Origin origin_;
  std::string refusal_;
};

/// False if `body` is no such message.
template <class Message>
bool parse(Message& message, std::string_view body) {
  return body.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

inline constexpr std::string_view unparsable = "the message cannot be parsed";

/// The texts in metadata.filter_metadata["weft"].
class Weft {
 public:
  explicit Weft(const envoy::config::core::v3::Metadata& metadata) {
    auto found = metadata.filter_metadata().find(std::string(metadata_name));
    if (found != metadata.filter_metadata().end()) fields_ = &found->second;
  }
  std::string text(std::string_view key) const {
    if (!fields_) return {};
    auto found = fields_->fields().find(std::string(key));
    return found == fields_->fields().end() ? std::string() : found->second.string_value();
  }
  base::Origin origin() const {
    return {text(key_kind), text(key_namespace), text(key_name), text(key_field)};
  }

 private:
  const google::protobuf::Struct* fields_ = nullptr;
};

/// Rounded up to milliseconds, so that no limit becomes none. `what` is its name for people.
inline std::chrono::milliseconds duration(const google::protobuf::Duration& message, std::string_view what,
                                          Reading& reading) {
  constexpr std::int64_t max_seconds = 315'576'000'000;  // google.protobuf.Duration's own bound
  bool valid = message.seconds() >= 0 && message.seconds() <= max_seconds && message.nanos() >= 0 &&
               message.nanos() < 1'000'000'000;
  if (!valid) {
    reading.refuse(fmt::format("{} is no valid duration", what));
    return {};
  }
  return std::chrono::milliseconds(message.seconds() * 1000 + (message.nanos() + 999'999) / 1'000'000);
}

}  // namespace weft::xds
