// Kubernetes' Status: what a request that failed is answered with.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/error.h"
#include "base/json.h"
#include "model/kinds.h"
#include "store/store.h"

namespace weft::control::api {

/// Kubernetes' StatusReason (apimachinery meta/v1/types.go).
enum class Reason : std::uint8_t {
  bad_request,
  forbidden,
  not_found,
  method_not_allowed,
  not_acceptable,
  already_exists,
  conflict,
  expired,
  too_large,
  unsupported_media_type,
  invalid,
  internal_error,
  /// The disk is full or read-only.
  insufficient_storage,
  too_many_requests,
  service_unavailable,
};

/// The HTTP status code, e.g. conflict -> 409.
int http_code(Reason reason);
/// Kubernetes' word, e.g. conflict -> "Conflict".
std::string_view to_string(Reason reason);

/// One field that is wrong.
struct Cause {
  std::string reason;
  std::string field;
  std::string message;
};

/// A request that failed, and of what object.
struct Failure {
  Reason reason = Reason::internal_error;
  std::string message;
  std::string group;
  std::string kind;
  std::string name;
  std::vector<Cause> causes;
  /// Of method_not_allowed: the methods that are allowed, for the field Allow.
  std::string allow;
};

template <class T>
using Outcome = std::expected<T, Failure>;

/// What a Status says of mistakes is no longer than this, whatever was sent: some hundred of them.
constexpr std::size_t max_failure_bytes = 32 * 1024;
/// One message; longer ones are cut. Room for every value that somebody has written by hand.
constexpr std::size_t max_message_bytes = 1024;

/// Shorthand for returning one without an object: `return refuse(Reason::bad_request, "...")`.
std::unexpected<Failure> refuse(Reason reason, std::string message);

/// The error of a kind's object, in Kubernetes' words where it has some.
Failure failure_of(const store::StoreError& error, const model::Kind& kind, std::string_view name);
/// The errors in `diagnostics` as causes; its warnings are left out.
Failure invalid(const base::Diagnostics& diagnostics, const model::Kind& kind, std::string_view name);
/// The error of an object of that kind that is not there.
Failure not_found(const model::Kind& kind, std::string_view name);
/// "deployments.apps", "services".
std::string qualified(const model::Kind& kind);

/// The Status object that says it.
base::Json to_json(const Failure& failure);

}  // namespace weft::control::api
