// Which field of which resource caused something: carried by every part of a Snapshot.
#pragma once

#include <string>

namespace weft::base {

struct Origin {
  std::string kind;
  std::string ns;
  std::string name;
  /// The path of the field, "spec.dependsOn[0]".
  std::string field;

  friend bool operator==(const Origin&, const Origin&) = default;
  /// "Service default/web spec.dependsOn[0]"; empty if nothing is known.
  std::string to_string() const;
};

}  // namespace weft::base
