#include "provider/process/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class ImageTest : public testing::Test {
 protected:
  ImageTest() {
    char pattern[] = "/tmp/weft-image-XXXXXX";
    root_ = mkdtemp(pattern);
    file("one/web", "#!/bin/sh\n", true);
    file("one/notes.txt", "words", false);
    file("two/web:1.2", "#!/bin/sh\n", true);
    file("two/shop/cart", "#!/bin/sh\n", true);
    folders_ = {root_ / "missing", root_ / "one", root_ / "two"};
  }
  ~ImageTest() override { fs::remove_all(root_); }

  void file(const fs::path& path, const std::string& text, bool executable) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    ::chmod((root_ / path).c_str(), executable ? 0755 : 0644);
  }

  fs::path root_;
  std::vector<std::string> folders_;
};

TEST_F(ImageTest, IsFoundByName) {
  struct Case {
    const char* name;
    std::string image;
    fs::path expected;
  };
  const Case cases[] = {
      {"by its name", "web", root_ / "one/web"},
      {"as it is, with its tag", "web:1.2", root_ / "two/web:1.2"},
      {"without its tag", "web:9", root_ / "one/web"},
      {"in a folder below", "shop/cart:latest", root_ / "two/shop/cart"},
      {"by an absolute path", (root_ / "one/web").string(), root_ / "one/web"},
  };
  for (const auto& c : cases) {
    auto image = find_image(c.image, folders_);
    ASSERT_TRUE(image) << c.name << ": " << image.error().detail;
    EXPECT_EQ(image->path, c.expected) << c.name;
    EXPECT_THAT(image->command, ElementsAre(c.expected.string())) << c.name;
    EXPECT_EQ(image->folder, c.expected.parent_path()) << c.name;
  }
}

TEST_F(ImageTest, WhatIsNotThereIsSaidWithTheNearestName) {
  auto missing = find_image("wbe", folders_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ProviderErrorKind::image_not_found);
  EXPECT_THAT(missing.error().detail, HasSubstr("did you mean \"web\"?"));

  for (const std::string name : {"", "..", "../one/web", "nothing-like-it", "/nowhere"}) {
    auto image = find_image(name, folders_);
    ASSERT_FALSE(image) << name;
    EXPECT_EQ(image.error().kind, ProviderErrorKind::image_not_found) << name;
  }
  EXPECT_THAT(find_image("web", {}).error().detail, HasSubstr("WEFT_IMAGES"));
  EXPECT_THAT(find_image("ghcr.io/x/nothing-like-it:1", folders_).error().detail,
              HasSubstr("containers come later"));
  EXPECT_THAT(find_image("docker.io/library/sh:latest", folders_).error().detail, HasSubstr("it has /"));
}

TEST_F(ImageTest, AProgramThatIsCalledLikeAnImageIsFound) {
  EXPECT_THAT(installed_program("docker.io/library/sh:3"), testing::EndsWith("/sh"));
  EXPECT_EQ(installed_program("sh@sha256:0123"), installed_program("sh"));
  for (const char* none : {"", ":1", "nothing-like-it", "a/..", "/"})
    EXPECT_EQ(installed_program(none), "") << none;
}

TEST_F(ImageTest, WhatThisUserMayNotSeeIsNotCalledMissing) {
  file("closed/web", "#!/bin/sh\n", true);
  ::chmod((root_ / "closed").c_str(), 0);
  ::chmod(root_.c_str(), 0755);
  // Root may see everything.
  const bool is_root = ::geteuid() == 0;
  constexpr ::uid_t nobody = 65534;
  if (is_root) ASSERT_EQ(::seteuid(nobody), 0);
  const auto by_path = find_image((root_ / "closed/web").string(), folders_);
  const auto by_name = find_image("web", {root_ / "closed"});
  const auto program = find_program("./web", root_ / "closed", "");
  if (is_root) ASSERT_EQ(::seteuid(0), 0);
  ::chmod((root_ / "closed").c_str(), 0755);
  for (const auto* image : {&by_path, &by_name}) {
    ASSERT_FALSE(*image);
    EXPECT_EQ(image->error().kind, ProviderErrorKind::image_not_executable);
    EXPECT_THAT(image->error().detail, HasSubstr("permission denied"));
  }
  EXPECT_THAT(program.error().detail, HasSubstr("permission denied"));
}

TEST_F(ImageTest, AFileWithoutTheExecuteBitIsNamed) {
  auto image = find_image("notes.txt", folders_);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().kind, ProviderErrorKind::image_not_executable);
  EXPECT_THAT(image.error().detail, HasSubstr("one/notes.txt"));
}

TEST_F(ImageTest, AFolderSaysWhatToRun) {
  file("one/api/image.yaml",
       "command: [./run, --fast]\nargs: [\"8\"]\nenv: {MODE: test}\nworkingDir: data\n"
       "ports:\n- {name: http, containerPort: 8080}\n- containerPort: 9090\n",
       false);
  auto image = find_image("api", folders_);
  ASSERT_TRUE(image) << image.error().detail;
  EXPECT_THAT(image->command, ElementsAre("./run", "--fast"));
  EXPECT_THAT(image->args, ElementsAre("8"));
  EXPECT_EQ(image->environment.at("MODE"), "test");
  EXPECT_EQ(image->working_directory, root_ / "one/api/data");
  ASSERT_EQ(image->ports.size(), 2U);
  EXPECT_EQ(image->ports[0].name, "http");
  EXPECT_EQ(image->ports[1].number, 9090);
}

TEST_F(ImageTest, AWrongImageYamlIsSaidWithItsPlace) {
  struct Case {
    const char* name;
    const char* text;
    const char* words;
  };
  const Case cases[] = {
      {"no command", "args: [a]\n", "command is missing"},
      {"a field that does not exist", "comand: [a]\n", "command"},
      {"a port that is none", "command: [a]\nports: [{containerPort: 70000}]\n", ":2:"},
      {"a wrong type", "command: run\n", "must be a list of strings"},
      {"no YAML", "command: [a\n", "image.yaml"},
  };
  for (const auto& c : cases) {
    file("one/broken/image.yaml", c.text, false);
    auto image = find_image("broken", folders_);
    ASSERT_FALSE(image) << c.name;
    EXPECT_EQ(image.error().kind, ProviderErrorKind::failed) << c.name;
    EXPECT_THAT(image.error().detail, HasSubstr(c.words)) << c.name;
  }
}

TEST_F(ImageTest, AnImageYamlThatIsNoSmallFileIsNotReadToItsEnd) {
  file("one/large/image.yaml", "command: [run]\n#" + std::string(300'000, 'x'), false);
  fs::create_directories(root_ / "one/pipe");
  ASSERT_EQ(::mkfifo((root_ / "one/pipe/image.yaml").c_str(), 0600), 0);
  for (const std::string name : {"large", "pipe"}) {
    auto image = find_image(name, folders_);
    ASSERT_FALSE(image) << name;
    EXPECT_EQ(image.error().kind, ProviderErrorKind::failed) << name;
    EXPECT_THAT(image.error().detail, HasSubstr("no file of at most 262144 bytes")) << name;
  }
}

TEST_F(ImageTest, AProgramIsSoughtInTheImageAndThenOnThePath) {
  auto search = (root_ / "two").string() + ":" + (root_ / "one").string();
  EXPECT_EQ(find_program("web", (root_ / "missing").string(), search).value(), root_ / "one/web");
  EXPECT_EQ(find_program("./cart", (root_ / "two/shop").string(), search).value(), root_ / "two/shop/cart");
  EXPECT_EQ(find_program("notes.txt", (root_ / "one").string(), "").error().kind,
            ProviderErrorKind::image_not_executable);
  EXPECT_EQ(find_program("./web", (root_ / "two").string(), search).error().kind,
            ProviderErrorKind::image_not_found);
}

TEST(CommandLine, AGivenCommandDropsTheImagesArgs) {
  Image image;
  image.command = {"run"};
  image.args = {"a"};
  struct Case {
    const char* name;
    std::vector<std::string> command;
    std::vector<std::string> args;
    std::vector<std::string> expected;
  };
  const Case cases[] = {
      {"neither", {}, {}, {"run", "a"}},
      {"args alone", {}, {"b"}, {"run", "b"}},
      {"command alone", {"x"}, {}, {"x"}},
      {"both", {"x"}, {"b"}, {"x", "b"}},
  };
  for (const auto& c : cases) {
    InstanceSpec spec;
    spec.command = c.command;
    spec.args = c.args;
    EXPECT_EQ(command_line(spec, image), c.expected) << c.name;
  }
}

}  // namespace
}  // namespace weft::provider::process
