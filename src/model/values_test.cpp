#include "model/values.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/kinds.h"
#include "model/labels.h"

namespace weft::model {
namespace {

struct NameCase {
  std::string text;
  bool label, subdomain, dns1035, port, key, value;
};

TEST(Names, ByEveryRule) {
  for (const NameCase& one : {
           NameCase{"web", true, true, true, true, true, true},
           NameCase{"web-1", true, true, true, true, true, true},
           NameCase{"1web", true, true, false, true, true, true},
           NameCase{"a.b", false, true, false, false, true, true},
           NameCase{"Web", false, false, false, false, true, true},
           NameCase{"-a", false, false, false, false, false, false},
           NameCase{"a-", false, false, false, false, false, false},
           NameCase{"a..b", false, false, false, false, true, true},
           NameCase{"a_b", false, false, false, false, true, true},
           NameCase{"", false, false, false, false, false, true},
           NameCase{"80", true, true, false, false, true, true},
           NameCase{"a--b", true, true, true, false, true, true},
           NameCase{"é", false, false, false, false, false, false},
           NameCase{"app.kubernetes.io/name", false, false, false, false, true, false},
           NameCase{"a/b/c", false, false, false, false, false, false},
           NameCase{"/a", false, false, false, false, false, false},
           NameCase{std::string(63, 'a'), true, true, true, false, true, true},
           NameCase{std::string(64, 'a'), false, false, false, false, false, false},
       }) {
    EXPECT_EQ(dns1123_label_fault(one.text).empty(), one.label) << one.text;
    EXPECT_EQ(dns1035_label_fault(one.text).empty(), one.dns1035) << one.text;
    EXPECT_EQ(port_name_fault(one.text).empty(), one.port) << one.text;
    EXPECT_EQ(label_key_fault(one.text).empty(), one.key) << one.text;
    EXPECT_EQ(label_value_fault(one.text).empty(), one.value) << one.text;
    if (one.text.size() < 64) EXPECT_EQ(dns1123_subdomain_fault(one.text).empty(), one.subdomain) << one.text;
  }
  EXPECT_TRUE(dns1123_subdomain_fault(std::string(64, 'a')).empty());
  EXPECT_FALSE(workload_name_fault(std::string(64, 'a')).empty());
  EXPECT_FALSE(dns1123_subdomain_fault(std::string(254, 'a')).empty());
}

TEST(Quantity, ReadsAllForms) {
  struct Case {
    std::string text;
    double value;
  };
  for (const Case& one : {Case{"1", 1}, Case{"100m", 0.1}, Case{"1.5", 1.5}, Case{".5", 0.5}, Case{"-1", -1},
                          Case{"+2", 2}, Case{"1k", 1e3}, Case{"2Ki", 2048}, Case{"1.5Gi", 1.5 * (1 << 30)},
                          Case{"3e2", 300}, Case{"3E+2", 300}, Case{"5e-1", 0.5}, Case{"1E", 1e18}})
    EXPECT_DOUBLE_EQ(parse_quantity(one.text).value_or(-99), one.value) << one.text;
  for (const char* text : {"", "m", "1.2.3", "1 Gi", "1gi", "Gi", "1KiB", "0x10", "1e", "1e9999", "--1", "."})
    EXPECT_FALSE(parse_quantity(text)) << text;
}

TEST(Selector, Matches) {
  Labels labels{{"app", "web"}, {"tier", "front"}};
  struct Case {
    std::string selector;
    bool matches;
  };
  for (const Case& one :
       {Case{"", true}, Case{"app=web", true}, Case{"app==web", true}, Case{"app=db", false},
        Case{"app!=db", true}, Case{"app!=web", false}, Case{"none!=x", true}, Case{"app in (db, web)", true},
        Case{"app in (db)", false}, Case{"app notin (db)", true}, Case{"none notin (x)", true},
        Case{"app", true}, Case{"none", false}, Case{"!none", true}, Case{"!app", false},
        Case{"app=web,tier=front", true}, Case{"app=web, tier in (a,b),x", false}, Case{"none=", false}}) {
    auto selector = parse_label_selector(one.selector);
    ASSERT_TRUE(selector) << one.selector << selector.error();
    EXPECT_EQ(matches(*selector, labels), one.matches) << one.selector;
    EXPECT_EQ(parse_label_selector(to_string(*selector)), selector) << one.selector;
  }
  for (const char* text :
       {"=a", "a=b=c", "a in b", "a in (b", "a off (b)", "a b", ",", "a,", "!", "a=b c", "in (a)"})
    EXPECT_FALSE(parse_label_selector(text)) << text;
}

TEST(Selector, OfAService) {
  EXPECT_TRUE(service_selects({{"a", "1"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(service_selects({{"a", "1"}, {"c", "3"}}, {{"a", "1"}}));
  EXPECT_FALSE(service_selects({}, {{"a", "1"}}));
}

TEST(Kinds, AreFoundByEveryName) {
  for (const char* name : {"deploy", "deployment", "deployments", "Deployment", "DEPLOYMENTS"}) {
    ASSERT_NE(find_kind(name), nullptr) << name;
    EXPECT_EQ(find_kind(name)->kind, "Deployment");
  }
  EXPECT_EQ(find_kind("svc")->kind, "Service");
  EXPECT_EQ(find_kind("endpointslices")->kind, "EndpointSlice");
  EXPECT_EQ(find_kind("nothing"), nullptr);
  EXPECT_EQ(find_kind(""), nullptr);
  EXPECT_EQ(find_kind("apps", "v1", "deployments")->kind, "Deployment");
  EXPECT_EQ(find_kind("", "v1", "services")->kind, "Service");
  EXPECT_EQ(find_kind("apps", "v1", "services"), nullptr);
}

}  // namespace
}  // namespace weft::model
