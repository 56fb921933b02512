// Errors as values: every room has a closed enum of kinds and an alias of ErrorOf for it.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace weft::base {

/// What went wrong: the room's kind, and words for a person that say where and with what.
/// Whether trying again can help is a property of the kind; the room that owns the enum tells it.
template <class Kind>
struct ErrorOf {
  Kind kind;
  std::string detail;

  friend bool operator==(const ErrorOf&, const ErrorOf&) = default;
};

/// Shorthand for returning an error: `return base::fail(StoreErrorKind::conflict, "...")`.
template <class Kind>
std::unexpected<ErrorOf<Kind>> fail(Kind kind, std::string detail = {}) {
  return std::unexpected(ErrorOf<Kind>{kind, std::move(detail)});
}

}  // namespace weft::base
