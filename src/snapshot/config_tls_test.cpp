// TLS in the config file, and the files that it names.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "snapshot/config.h"

namespace weft::snapshot {
namespace {

/// Files in memory; how often each was read.
class ConfigTls : public ::testing::Test {
 protected:
  std::expected<Snapshot, base::Diagnostics> parse(std::string_view listener, std::string_view cluster,
                                                   std::string_view file = "/etc/weft/proxy.yaml") {
    const auto text = fmt::format(
        "version: 1\nlisteners:\n- {{address: \"127.0.0.1:1\", {}}}\nclusters:\n- {{name: a, "
        "endpoints: [], {}}}\n",
        listener, cluster);
    const auto read = [this](const std::string& path) -> std::expected<std::string, FileFault> {
      ++reads_[path];
      const auto found = files_.find(path);
      if (found != files_.end()) return found->second;
      return std::unexpected(FileFault{"cannot read " + path, "correct the path"});
    };
    return parse_config(text, file, read, check_);
  }

  std::map<std::string, std::string> files_{
      {"/etc/weft/web.crt", "certificate"}, {"/etc/weft/web.key", "key"}, {"/run/ca.crt", "authority"}};
  std::map<std::string, int> reads_;
  CheckTls check_;
};

constexpr std::string_view plain_listener = "cluster: a";
constexpr std::string_view plain_cluster = "protocol: http1";

TEST_F(ConfigTls, BothSides) {
  const auto parsed = parse("cluster: a, tls: {certificate: web.crt, key: web.key, clientCa: /run/ca.crt}",
                            "tls: {ca: /run/ca.crt, name: app.example, certificate: web.crt, key: web.key}");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  const auto& server = parsed->listeners[0].tls;
  ASSERT_TRUE(server);
  EXPECT_EQ(server->certificate.name, "/etc/weft/web.crt") << "from the config file's folder on";
  EXPECT_EQ(*server->certificate.text, "certificate");
  EXPECT_EQ(*server->key.text, "key");
  EXPECT_EQ(*server->client_ca.text, "authority");
  const auto& client = parsed->clusters[0].tls;
  ASSERT_TRUE(client);
  EXPECT_EQ(client->name, "app.example");
  EXPECT_EQ(client->ca.name, "/run/ca.crt");
  EXPECT_EQ(*client->key.text, "key");
  for (const auto& [path, count] : reads_) EXPECT_EQ(count, 1) << path;
}

TEST_F(ConfigTls, TheLeast) {
  const auto parsed = parse("protocol: http, cluster: a, tls: {certificate: web.crt, key: web.key}",
                            "tls: {ca: /run/ca.crt, name: \"127.0.0.1\"}");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  EXPECT_FALSE(parsed->listeners[0].tls->client_ca);
  EXPECT_FALSE(parsed->clusters[0].tls->certificate);
  const auto without = parse(plain_listener, plain_cluster);
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->listeners[0].tls);
  EXPECT_FALSE(without->clusters[0].tls);
}

TEST_F(ConfigTls, PathsAreOfTheConfigFilesFolder) {
  files_ = {{"web.crt", "1"}, {"web.key", "2"}, {"conf/web.crt", "3"}, {"conf/web.key", "4"}};
  constexpr std::string_view listener = "cluster: a, tls: {certificate: web.crt, key: web.key}";
  EXPECT_EQ(*parse(listener, plain_cluster, "proxy.yaml")->listeners[0].tls->certificate.text, "1");
  EXPECT_EQ(*parse(listener, plain_cluster, "conf/proxy.yaml")->listeners[0].tls->certificate.text, "3");
}

TEST_F(ConfigTls, EqualIsWhatSaysTheSame) {
  constexpr std::string_view listener = "cluster: a, tls: {certificate: web.crt, key: web.key}";
  constexpr std::string_view cluster = "tls: {ca: /run/ca.crt, name: a}";
  const auto one = parse(listener, cluster);
  EXPECT_EQ(*one, *parse(listener, cluster));
  EXPECT_NE(*one, *parse(plain_listener, cluster));
  files_["/etc/weft/web.crt"] = "renewed";
  EXPECT_NE(one->listeners, parse(listener, cluster)->listeners);
  EXPECT_EQ(one->clusters, parse(listener, cluster)->clusters);
}

TEST_F(ConfigTls, WhatMakesNoSense) {
  struct Case {
    std::string_view listener;
    std::string_view cluster;
    std::string_view what;
    std::string_view mend;
    std::string_view place;
  };
  for (const auto& [listener, cluster, what, mend, place] : std::vector<Case>{
           {"cluster: a, tls: {certificate: web.crt}", plain_cluster, "key is missing", "add key", ":3:45"},
           {"cluster: a, tls: {key: web.key}", plain_cluster, "certificate is missing", "add", ":3:45"},
           {"cluster: a, tls: web.crt", plain_cluster, "must be a map", "{certificate: web.crt", ":3:45"},
           {"cluster: a, tls: {certificate: web.crt, key: web.key, ca: x}", plain_cluster, "no field ca",
            "there are", ""},
           {"cluster: a, tls: {certificate: nowhere.crt, key: web.key}", plain_cluster,
            "cannot read /etc/weft/nowhere.crt", "correct the path", ":3:59"},
           {"cluster: a, tls: {certificate: \"\", key: web.key}", plain_cluster, "certificate is empty",
            "write a value", ""},
           {plain_listener, "tls: {name: app}", "ca is missing", "add ca", ""},
           {plain_listener, "tls: {ca: /run/ca.crt}", "name is missing", "add name", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: app, key: web.key}", "certificate is missing",
            "add certificate", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: app, certificate: web.crt}", "key is missing",
            "add key", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: \"app:443\"}", "no certificate can be for app:443",
            "without a port", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: \"*.app\"}", "no certificate can be for", "", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: \"1.2.3\"}", "no certificate can be for", "", ""},
           {plain_listener, "tls: {ca: /run/ca.crt, name: https://app}", "no certificate can be for", "", ""},
           {"protocol: tls, sni: [], tls: {certificate: web.crt, key: web.key}", plain_cluster,
            "a tls listener has no tls", "end it here with protocol: http, auto or tcp", ""}}) {
    const auto failed = parse(listener, cluster);
    ASSERT_FALSE(failed) << listener << " " << cluster;
    EXPECT_EQ(failed.error().size(), 1U) << base::render(failed.error());
    EXPECT_THAT(failed.error().front().message, testing::HasSubstr(what));
    EXPECT_THAT(failed.error().front().mend, testing::HasSubstr(mend));
    EXPECT_THAT(base::render(failed.error()), testing::HasSubstr(place));
  }
}

TEST_F(ConfigTls, WhatIsWrongInsideAFileIsToldAtItsField) {
  check_ = [](const PemFile& certificate, const PemFile& key, const PemFile& ca) {
    EXPECT_TRUE(ca);
    std::vector<TlsFault> faults{{TlsFault::File::ca, ca.name + ": bad", "mend it"}};
    if (key) faults.push_back({TlsFault::File::key, key.name + ": bad", "mend it"});
    if (certificate) faults.push_back({TlsFault::File::certificate, certificate.name + ": bad", "mend it"});
    return faults;
  };
  const auto failed = parse("cluster: a, tls: {certificate: web.crt, key: web.key, clientCa: /run/ca.crt}",
                            "tls: {ca: /run/ca.crt, name: a}");
  ASSERT_FALSE(failed);
  const auto told = base::render(failed.error());
  for (const auto* place : {":3:59: error: /etc/weft/web.crt", ":3:73: error: /etc/weft/web.key",
                            ":3:92: error: /run/ca.crt", ":5:38: error: /run/ca.crt"})
    EXPECT_THAT(told, testing::HasSubstr(place));
  EXPECT_THAT(told, testing::HasSubstr("config/bad-pem"));
}

TEST_F(ConfigTls, WhereNoFilesCanBeRead) {
  const auto failed = parse_config(
      "version: 1\nlisteners: []\nclusters:\n- {name: a, endpoints: [], tls: {ca: x, name: a}}\n", "f");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().front().message, "no files can be read here");
}

}  // namespace
}  // namespace weft::snapshot
