#include "base/words.h"

#include <gtest/gtest.h>

namespace weft::base {
namespace {

TEST(Words, AreSplitAsAShellDoes) {
  using Words = std::vector<std::string>;
  const std::pair<const char*, std::optional<Words>> cases[] = {
      {"", Words{}},
      {"  a  b ", Words{"a", "b"}},
      {"./server --name 'my shop'", Words{"./server", "--name", "my shop"}},
      {R"(a"b c"d)", Words{"ab cd"}},
      {R"("say \"hi\" \n")", Words{R"(say "hi" \n)"}},
      {R"(a\ b)", Words{"a b"}},
      {"''", Words{""}},
      {"'open", std::nullopt},
      {"end\\", std::nullopt},
  };
  for (const auto& [text, words] : cases) EXPECT_EQ(split_words(text), words) << text;
}

TEST(Words, NeedAShellForWhatOnlyAShellDoes) {
  const std::pair<const char*, bool> cases[] = {
      {"python3 -m http.server 80", false},
      {"./run --name=a --url http://x", false},
      {"sh -c 'a | b && c'", false},
      {"run $(PORT) \"$(DB_SERVICE_HOST)\"", false},
      {"echo '$HOME'", false},
      {"echo a\\|b", false},
      {"a | b", true},
      {"a && b", true},
      {"a; b", true},
      {"a > file", true},
      {"echo $HOME", true},
      {"echo \"$HOME\"", true},
      {"echo `date`", true},
      {"echo $(date)", true},
      {"ls *.txt", true},
      {"ls ~/x", true},
      {"A=b run", true},
      {"cd /x\nrun", true},
  };
  for (const auto& [text, needs] : cases) EXPECT_EQ(needs_shell(text), needs) << text;
}

}  // namespace
}  // namespace weft::base
