#include "runtime/error.h"

#include <cctype>
#include <cstring>

namespace weft::runtime {

std::string IoError::message() const {
  char buffer[128];
  std::string text = strerror_r(code, buffer, sizeof buffer);
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace weft::runtime
