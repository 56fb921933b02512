#include "base/base64.h"

#include <gtest/gtest.h>

namespace weft::base {
namespace {

TEST(Base64, EncodesAndDecodes) {
  // RFC 4648, 10.
  for (const auto& [bytes, text] : {std::pair<std::string, std::string>{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"fooba", "Zm9vYmE="},
                                    {"foobar", "Zm9vYmFy"},
                                    {std::string("\0\xff\x80", 3), "AP+A"}}) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  EXPECT_EQ(decode_base64("Zm9v\nYg==\n"), "foob") << "as `base64` writes long ones";
}

TEST(Base64, RefusesWhatIsMalformed) {
  for (const char* text : {"Zg", "Zg=", "Z", "Zg===", "Zm9v=", "=", "Zg==Zg==", "Zm 9", "hidden, 3 bytes"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

}  // namespace
}  // namespace weft::base
