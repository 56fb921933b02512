#include "control/api/status.h"

#include <fmt/format.h>

#include <utility>

namespace weft::control::api {

int http_code(Reason reason) {
  switch (reason) {
    case Reason::bad_request: return 400;
    case Reason::forbidden: return 403;
    case Reason::not_found: return 404;
    case Reason::method_not_allowed: return 405;
    case Reason::not_acceptable: return 406;
    case Reason::already_exists:
    case Reason::conflict: return 409;
    case Reason::expired: return 410;
    case Reason::too_large: return 413;
    case Reason::unsupported_media_type: return 415;
    case Reason::invalid: return 422;
    case Reason::too_many_requests: return 429;
    case Reason::internal_error: return 500;
    case Reason::service_unavailable: return 503;
    case Reason::insufficient_storage: return 507;
  }
  return 500;
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::bad_request: return "BadRequest";
    case Reason::forbidden: return "Forbidden";
    case Reason::not_found: return "NotFound";
    case Reason::method_not_allowed: return "MethodNotAllowed";
    case Reason::not_acceptable: return "NotAcceptable";
    case Reason::already_exists: return "AlreadyExists";
    case Reason::conflict: return "Conflict";
    case Reason::expired: return "Expired";
    case Reason::too_large: return "RequestEntityTooLarge";
    case Reason::unsupported_media_type: return "UnsupportedMediaType";
    case Reason::invalid: return "Invalid";
    case Reason::too_many_requests: return "TooManyRequests";
    case Reason::internal_error: return "InternalError";
    case Reason::service_unavailable: return "ServiceUnavailable";
    case Reason::insufficient_storage: return "InsufficientStorage";
  }
  return {};
}

namespace {

std::string cut(std::string_view text) {
  if (text.size() <= max_message_bytes) return std::string(text);
  return fmt::format("{}... ({} bytes)", text.substr(0, max_message_bytes), text.size());
}

}  // namespace

std::unexpected<Failure> refuse(Reason reason, std::string message) {
  Failure failure;
  failure.reason = reason;
  failure.message = cut(message);
  return std::unexpected(std::move(failure));
}

std::string qualified(const model::Kind& kind) {
  return kind.group().empty() ? std::string(kind.plural) : fmt::format("{}.{}", kind.plural, kind.group());
}

namespace {

Failure of_object(Reason reason, const model::Kind& kind, std::string_view name, std::string message) {
  Failure failure;
  failure.reason = reason;
  failure.message = std::move(message);
  failure.group = kind.group();
  failure.kind = kind.plural;
  failure.name = cut(name);
  return failure;
}

}  // namespace

Failure not_found(const model::Kind& kind, std::string_view name) {
  return of_object(Reason::not_found, kind, name,
                   fmt::format("{} \"{}\" not found", qualified(kind), cut(name)));
}

Failure failure_of(const store::StoreError& error, const model::Kind& kind, std::string_view name) {
  const auto object = fmt::format("{} \"{}\"", qualified(kind), cut(name));
  switch (error.kind) {
    case store::StoreErrorKind::not_found: return not_found(kind, name);
    case store::StoreErrorKind::already_exists:
      return of_object(Reason::already_exists, kind, name, object + " already exists");
    case store::StoreErrorKind::conflict:
      return of_object(
          Reason::conflict, kind, name,
          fmt::format("Operation cannot be fulfilled on {}: {}; apply your change to the newest version",
                      object, error.detail));
    case store::StoreErrorKind::gone: return of_object(Reason::expired, kind, name, error.detail);
    case store::StoreErrorKind::malformed: return of_object(Reason::bad_request, kind, name, error.detail);
    case store::StoreErrorKind::full:
      return of_object(Reason::insufficient_storage, kind, name,
                       fmt::format("{} was not changed: the disk is full ({}); free some space and try again",
                                   object, error.detail));
    case store::StoreErrorKind::read_only:
      return of_object(Reason::insufficient_storage, kind, name,
                       fmt::format("{} was not changed: the disk is read-only ({})", object, error.detail));
    case store::StoreErrorKind::io:
    case store::StoreErrorKind::locked:
    case store::StoreErrorKind::corrupt:
    case store::StoreErrorKind::newer:
      return of_object(Reason::internal_error, kind, name,
                       fmt::format("{} was not changed: {}", object, error.detail));
  }
  std::unreachable();
}

Failure invalid(const base::Diagnostics& diagnostics, const model::Kind& kind, std::string_view name) {
  std::vector<Cause> causes;
  std::string all;
  std::size_t bytes = 0;
  std::size_t left_out = diagnostics.omitted(base::Severity::error);
  for (const auto& diagnostic : diagnostics) {
    if (diagnostic.severity != base::Severity::error) continue;
    if (bytes > max_failure_bytes) {
      ++left_out;
      continue;
    }
    const auto field = cut(diagnostic.field);
    const auto what = cut(diagnostic.message);
    auto message = diagnostic.mend.empty() ? what : fmt::format("{}; {}", what, cut(diagnostic.mend));
    if (!all.empty()) all += ", ";
    all += field.empty() ? what : fmt::format("{}: {}", field, what);
    bytes += field.size() + message.size();
    causes.push_back({diagnostic.code, field, std::move(message)});
  }
  if (left_out > 0) all += fmt::format(", and {} more mistakes", left_out);
  const auto type =
      kind.group().empty() ? std::string(kind.kind) : fmt::format("{}.{}", kind.kind, kind.group());
  const auto* form = causes.size() > 1 ? "{} \"{}\" is invalid: [{}]" : "{} \"{}\" is invalid: {}";
  auto failure =
      of_object(Reason::invalid, kind, name, fmt::format(fmt::runtime(form), type, cut(name), all));
  failure.kind = kind.kind;
  failure.causes = std::move(causes);
  return failure;
}

base::Json to_json(const Failure& failure) {
  base::Json details = base::Json::object();
  if (!failure.name.empty()) details["name"] = failure.name;
  if (!failure.group.empty()) details["group"] = failure.group;
  if (!failure.kind.empty()) details["kind"] = failure.kind;
  for (const auto& cause : failure.causes) {
    details["causes"].push_back(
        {{"reason", cause.reason}, {"field", cause.field}, {"message", cause.message}});
  }
  base::Json status{{"kind", "Status"},
                    {"apiVersion", "v1"},
                    {"metadata", base::Json::object()},
                    {"status", "Failure"},
                    {"message", failure.message},
                    {"reason", to_string(failure.reason)},
                    {"code", http_code(failure.reason)}};
  if (!details.empty()) status["details"] = std::move(details);
  return status;
}

}  // namespace weft::control::api
