#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "control/api/body.h"
#include "control/api/test_server.h"

namespace weft::control::api {
namespace {

using base::Json;
using message::Method;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ServerTest, AnObjectsLife) {
  const auto created = call(Method::post, services, service("web"));
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.body["metadata"]["namespace"], "default");
  EXPECT_EQ(created.body["metadata"]["generation"], 1);
  EXPECT_EQ(created.headers.find("content-type"), "application/json");

  const auto target = std::string(services) + "/web";
  EXPECT_EQ(get(target).body, created.body);

  auto next = created.body;
  next["spec"]["ports"][0]["port"] = 81;
  const auto updated = call(Method::put, target, next.dump());
  EXPECT_EQ(updated.status, 200);
  EXPECT_EQ(updated.body["metadata"]["generation"], 2);
  EXPECT_EQ(call(Method::put, target, next.dump()).body["reason"], "Conflict");

  const auto patched = call(Method::patch, target, R"({"metadata": {"labels": {"tier": "front"}}})");
  EXPECT_EQ(patched.status, 200);
  EXPECT_EQ(patched.body["metadata"]["labels"]["tier"], "front");
  EXPECT_EQ(patched.body["spec"]["ports"][0]["port"], 81);
  EXPECT_EQ(patched.body["metadata"]["generation"], 2);

  const auto deleted = call(Method::delete_, target);
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.body["status"], "Success");
  EXPECT_EQ(deleted.body["details"]["uid"], created.body["metadata"]["uid"]);
  EXPECT_EQ(get(target).status, 404);
}

TEST_F(ServerTest, CreationTakesNothingThatIsTheServers) {
  auto json = Json::parse(service("web"));
  json["metadata"]["uid"] = "mine";
  json["metadata"]["creationTimestamp"] = nullptr;
  json["metadata"]["managedFields"] = Json::array();
  json["status"] = {{"loadBalancer", Json::object()}};
  const auto created = call(Method::post, services, json.dump());
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_NE(created.body["metadata"]["uid"], "mine");
  EXPECT_FALSE(created.body.contains("status"));
  EXPECT_FALSE(created.body["metadata"].contains("managedFields"));
}

TEST_F(ServerTest, TheStatusIsNotTheUsers) {
  const auto target = std::string(services) + "/web";
  auto made = call(Method::post, services, service("web")).body;
  auto own = made;
  own["status"] = {{"endpoints", {{"ready", 2}}}};
  for (const auto method : {Method::patch, Method::put}) {
    const auto refused = call(method, target + "/status", own.dump());
    EXPECT_EQ(refused.status, 405) << refused.text;
    EXPECT_EQ(refused.headers.find("allow"), "GET");
    EXPECT_FALSE(call(method, target, own.dump()).body.contains("status"));
  }
  EXPECT_EQ(get(target + "/status").body, made);
  // What is there stays whatever is sent with the rest.
  made["status"] = {{"endpoints", {{"ready", 1}}}};
  ASSERT_TRUE(update_status(made).has_value());
  EXPECT_EQ(call(Method::put, target, service("web")).body["status"]["endpoints"]["ready"], 1);
  EXPECT_EQ(call(Method::patch, target, R"({"status": null})").body["status"]["endpoints"]["ready"], 1);
}

TEST_F(ServerTest, ADeletionIsOnlyDoneAsItIsAskedFor) {
  const auto target = std::string(services) + "/web";
  const auto made = call(Method::post, services, service("web")).body;
  for (const auto* body : {
           R"({"preconditions": {"uid": 5}})",
           R"({"preconditions": {"uid": ["x"]}})",
           R"({"preconditions": {"resourceVersion": 5}})",
           R"({"preconditions": "uid"})",
           R"({"preconditions": []})",
           R"({"dryRun": "All"})",
           R"({"dryRun": true})",
           R"({"dryRun": ["Some"]})",
           R"({"gracePeriodSeconds": "5"})",
           R"({"propagationPolicy": 1})",
           R"({"propagationPolicy": "Orphan"})",
           R"({"orphanDependents": "no"})",
           R"({"orphanDependents": true})",
           R"([])",
           R"({"dryrun": ["All"]})",
           R"({"precondition": {"uid": "x"}})",
           R"({"preconditions": {"UID": "x"}})",
           R"({"metadata": {"name": "web"}})",
       }) {
    const auto refused = call(Method::delete_, target, body);
    EXPECT_EQ(refused.status, 400) << body << refused.text;
  }
  for (const auto* query :
       {"propagationPolicy=Orphan", "orphanDependents=true", "orphanDependents", "uid=x", "resourceVersion=1",
        "preconditions=x", "force=true", "dryRun=", "dryRun=Some", "dryRun=All&dryRun=Some"}) {
    const auto refused = call(Method::delete_, target + "?" + query);
    EXPECT_EQ(refused.status, 400) << query << refused.text;
    EXPECT_EQ(refused.body["reason"], "BadRequest") << query;
  }
  EXPECT_EQ(call(Method::delete_, target, R"({"preconditions": {"resourceVersion": "x"}})").status, 409);
  EXPECT_EQ(call(Method::delete_, target + "?gracePeriodSeconds=x").status, 400);
  EXPECT_EQ(get(std::string(services) + "?limit=x").status, 400);
  EXPECT_EQ(get(target).body, made);
  for (const auto* change : {"force=true", "resourceVersion=1", "dryRun=All&dryRun="}) {
    EXPECT_EQ(call(Method::patch, target + "?" + change, "{}").status, 400) << change;
    EXPECT_EQ(call(Method::put, target + "?" + change, made.dump()).status, 400) << change;
    EXPECT_EQ(call(Method::post, std::string(services) + "?" + change, service("cart")).status, 400)
        << change;
  }
  EXPECT_EQ(get(std::string(services) + "/cart").status, 404);
  EXPECT_EQ(get(target).body, made);
  EXPECT_EQ(
      call(Method::delete_,
           target + "?propagationPolicy=Background&orphanDependents=false&gracePeriodSeconds=0&pretty=true"
                    "&timeout=5s&fieldManager=kubectl&labelSelector=a&unknown=x",
           R"({"kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background",
                     "preconditions": {"uid": null}, "dryRun": null})")
          .status,
      200);
  EXPECT_EQ(call(Method::post,
                 std::string(services) +
                     "?fieldManager=kubectl-create&fieldValidation=Strict&force=false&pretty=true&timeout=5s",
                 service("web"))
                .status,
            201);
}

TEST_F(ServerTest, AVersionOfTheWrongTypeIsNotTakenForNone) {
  const auto target = std::string(services) + "/web";
  auto json = call(Method::post, services, service("web")).body;
  for (const auto* field : {"resourceVersion", "uid"}) {
    auto wrong = json;
    wrong["metadata"][field] = 1;
    EXPECT_GE(call(Method::put, target, wrong.dump()).status, 400) << field;
    EXPECT_GE(call(Method::patch, target, Json{{"metadata", {{field, {"1"}}}}}.dump()).status, 400) << field;
  }
}

TEST_F(ServerTest, WhatPatchesAddUpToIsBounded) {
  const auto target = std::string(services) + "/web";
  ASSERT_EQ(call(Method::post, services, service("web")).status, 201);
  const auto add = [&](const char* where, int number, std::size_t size) {
    return call(
        Method::patch, target,
        Json{{"metadata", {{where, {{"k" + std::to_string(number), std::string(size, 'x')}}}}}}.dump());
  };
  EXPECT_EQ(add("annotations", 1, 200'000).status, 200);
  const auto refused = add("annotations", 2, 100'000);
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.body["details"]["causes"][0]["field"], "metadata.annotations");
  // A text of 1 MB that is escaped is longer than any body.
  const auto escaped =
      call(Method::patch, target,
           Json{{"metadata", {{"annotations", {{"k", std::string(540'000, '\1')}}}}}}.dump());
  EXPECT_EQ(escaped.status, 413) << escaped.text.substr(0, 200);
  // Two bytes of text are some ninety of memory.
  std::string dense = R"({"metadata": {"ownerReferences": [{})";
  for (int i = 0; i < 600'000; ++i) dense += ",{}";
  EXPECT_EQ(call(Method::patch, target, dense + "]}}").status, 413);
}

TEST_F(ServerTest, AnAnswerToManyMistakesIsShort) {
  auto json = Json::parse(service("web"));
  for (int i = 0; i < 20'000; ++i) json["spec"][std::to_string(i)] = std::string(40, 'x');
  const auto refused = call(Method::post, services, json.dump());
  EXPECT_EQ(refused.status, 422);
  EXPECT_LT(refused.text.size(), 4 * max_failure_bytes);
  EXPECT_THAT(refused.body["message"].get<std::string>(), ContainsRegex(", and 199[0-9][0-9] more mistakes"));
  json["spec"] = {{"ports", {{{"port", std::string(1'000'000, 'x')}}}}};
  EXPECT_LT(call(Method::post, services, json.dump()).text.size(), 4 * max_failure_bytes);
  json = Json::parse(service(std::string(1'000'000, 'x')));
  EXPECT_LT(call(Method::post, services, json.dump()).text.size(), 4 * max_failure_bytes);
}

struct Refusal {
  const char* name;
  Method method;
  std::string target;
  std::string body;
  const char* type;
  int code;
  const char* reason;
  const char* says;
};

/// Every refusal is a Status object. There is one Service, web.
class RefusalTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_EQ(call(Method::post, services, service("web")).status, 201);
  }
  void expect_refusals(const std::vector<Refusal>& cases) {
    for (const auto& test : cases) {
      SCOPED_TRACE(test.name);
      const auto got = call(test.method, test.target, test.body, test.type);
      EXPECT_EQ(got.status, test.code) << got.text;
      ASSERT_TRUE(got.body.is_object()) << got.text;
      EXPECT_EQ(got.body["kind"], "Status");
      EXPECT_EQ(got.body["status"], "Failure");
      EXPECT_EQ(got.body["code"], test.code);
      EXPECT_EQ(got.body["reason"], test.reason);
      EXPECT_THAT(got.body["message"].get<std::string>(), HasSubstr(test.says));
    }
  }
};

TEST_F(RefusalTest, WhatARequestCanHaveWrong) {
  const std::string in_default = services;
  const auto* json = "application/json";
  const std::vector<Refusal> cases{
      {"no such path", Method::get, "/nothing", "", json, 404, "NotFound", "could not find"},
      {"no such object", Method::get, in_default + "/cart", "", json, 404, "NotFound",
       "services \"cart\" not found"},
      {"no such deployment", Method::get, "/apis/apps/v1/namespaces/default/deployments/cart", "", json, 404,
       "NotFound", "deployments.apps \"cart\" not found"},
      {"put of none", Method::put, in_default + "/cart", service("cart"), json, 404, "NotFound", "cart"},
      {"patch of none", Method::patch, in_default + "/cart", "{}", json, 404, "NotFound", "cart"},
      {"delete of none", Method::delete_, in_default + "/cart", "", json, 404, "NotFound", "cart"},
      {"no such namespace", Method::post, "/api/v1/namespaces/shop/services", service("web"), json, 404,
       "NotFound", "namespaces \"shop\" not found"},
      {"method", Method::delete_, in_default, "", json, 405, "MethodNotAllowed", "GET, POST"},
      {"exists", Method::post, in_default, service("web"), json, 409, "AlreadyExists",
       "\"web\" already exists"},
      {"old version", Method::patch, in_default + "/web",
       R"({"metadata": {"resourceVersion": "1"}, "spec": {}})", json, 409, "Conflict",
       "resourceVersion 1 is asked for"},
      {"other uid", Method::delete_, in_default + "/web", R"({"preconditions": {"uid": "x"}})", json, 409,
       "Conflict", "uid"},
      {"delete of an old version", Method::delete_, in_default + "/web",
       R"({"preconditions": {"resourceVersion": "1"}})", json, 409, "Conflict", "resourceVersion 1"},
      {"dryRun", Method::post, in_default + "?dryRun=Some", service("cart"), json, 400, "BadRequest",
       "dryRun"},
      {"selector", Method::get, in_default + "?labelSelector=a%3Db%3Dc", "", json, 400, "BadRequest",
       "labelSelector"},
      {"field", Method::get, in_default + "?fieldSelector=spec.x%3D1", "", json, 400, "BadRequest", "spec.x"},
      {"watch version", Method::get, in_default + "?watch=1&resourceVersion=x", "", json, 400, "BadRequest",
       "resourceVersion=\"x\""},
      {"list version", Method::get, in_default + "?resourceVersion=x", "", json, 400, "BadRequest",
       "resourceVersion=\"x\""},
      {"a namespace that stays", Method::delete_, "/api/v1/namespaces/default", "", json, 403, "Forbidden",
       "always"},
  };
  expect_refusals(cases);
}

TEST_F(RefusalTest, WhatABodyCanHaveWrong) {
  const std::string in_default = services;
  const auto* json = "application/json";
  const std::vector<Refusal> cases{
      {"no body", Method::post, in_default, "", json, 400, "BadRequest", "needs a body"},
      {"no JSON", Method::post, in_default, "{\n \"a\": }", json, 400, "BadRequest", "line 2, column 7"},
      {"no object", Method::post, in_default, "[]", json, 400, "BadRequest", "one object"},
      {"bad YAML", Method::post, in_default, "a:\n\t- b", "application/yaml", 400, "BadRequest", "line 2"},
      {"two documents", Method::post, in_default, "a: 1\n---\nb: 1\n", "application/yaml", 400, "BadRequest",
       "2 documents"},
      {"media type", Method::post, in_default, "x", "text/html", 415, "UnsupportedMediaType",
       "application/json"},
      {"protobuf", Method::post, in_default, "x", "application/vnd.kubernetes.protobuf", 415,
       "UnsupportedMediaType", "application/json"},
      {"patch type", Method::patch, in_default + "/web", "[]", "application/json-patch+json", 415,
       "UnsupportedMediaType", "merge-patch"},
      {"other kind", Method::post, in_default, R"({"kind": "Job"})", json, 400, "BadRequest",
       "the kind \"Job\""},
      {"other version", Method::post, in_default, R"({"apiVersion": "v2"})", json, 400, "BadRequest",
       "the apiVersion"},
      {"other namespace", Method::post, in_default, R"({"metadata": {"namespace": "a"}})", json, 400,
       "BadRequest", "metadata.namespace \"a\""},
      {"a namespace where none is", Method::post, "/api/v1/namespaces", R"({"metadata": {"namespace": "a"}})",
       json, 400, "BadRequest", "must not be set"},
      {"other name", Method::put, in_default + "/web", service("cart"), json, 400, "BadRequest",
       "metadata.name"},
      {"a version at creation", Method::post, in_default, R"({"metadata": {"resourceVersion": "5"}})", json,
       400, "BadRequest", "resourceVersion must not be set"},
      {"invalid", Method::post, in_default,
       R"({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 0}, {}]}})", json, 422, "Invalid",
       "Service \"web\" is invalid: ["},
      {"invalid patch", Method::patch, in_default + "/web", R"({"spec": {"ports": [{"port": 99999}]}})", json,
       422, "Invalid", "spec.ports[0].port"},
      {"unknown field", Method::patch, in_default + "/web", R"({"spec": {"selecter": {}}})", json, 422,
       "Invalid", "selecter"},
      {"bad name", Method::post, in_default,
       R"({"metadata": {"name": "Web_1"}, "spec": {"ports": [{"port": 80}]}})", json, 422, "Invalid",
       "metadata.name"},
      {"no name", Method::post, in_default, R"({"spec": {"ports": [{"port": 80}]}})", json, 422, "Invalid",
       "name"},
      {"too large", Method::post, in_default, std::string(max_body_bytes + 1, ' '), json, 413,
       "RequestEntityTooLarge", "bytes"},
  };
  expect_refusals(cases);
}

TEST_F(ServerTest, InvalidObjectsNameEveryCause) {
  const auto got =
      call(Method::post, services, R"({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 0}, {}]}})");
  ASSERT_EQ(got.status, 422);
  std::set<std::string> fields;
  for (const auto& cause : got.body["details"]["causes"]) {
    fields.insert(cause["field"].get<std::string>());
    EXPECT_FALSE(cause["message"].get<std::string>().empty());
    EXPECT_FALSE(cause["reason"].get<std::string>().empty());
  }
  EXPECT_TRUE(fields.contains("spec.ports[0].port")) << got.text;
  EXPECT_TRUE(fields.contains("spec.ports[1].port")) << got.text;
}

TEST_F(ServerTest, ASecretIsStoredInOneFormAndWhatIsImmutableStays) {
  const std::string secrets = "/api/v1/namespaces/default/secrets";
  const auto made = call(Method::post, secrets, R"({"metadata": {"name": "db", "annotations": {
    "kubectl.kubernetes.io/last-applied-configuration": "{\"kind\":\"Secret\",\"data\":{\"a\":\"Zm9v\"}}"}},
    "data": {"a": "Zm9v"}, "stringData": {"b": "x"}})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body["data"], (Json{{"a", "Zm9v"}, {"b", "eA=="}}));
  EXPECT_FALSE(made.body.contains("stringData"));
  EXPECT_THAT(made.body["metadata"].dump(), Not(HasSubstr("Zm9v")));
  const auto patch = [&](const std::string& body) {
    return call(Method::patch, secrets + "/db", body, "application/merge-patch+json");
  };
  EXPECT_EQ(patch(R"({"type": "other"})").status, 422);
  EXPECT_EQ(patch(R"({"stringData": {"a": "y"}})").body["data"]["a"], "eQ==");
  EXPECT_EQ(patch(R"({"immutable": true})").status, 200);
  for (const auto* body :
       {R"({"data": {"a": "eA=="}})", R"({"immutable": false})", R"({"data": {"a": null}})"}) {
    const auto got = patch(body);
    EXPECT_EQ(got.status, 422) << body;
    EXPECT_THAT(got.text, HasSubstr("marked as immutable"));
  }
  EXPECT_EQ(patch(R"({"metadata": {"labels": {"x": "y"}}})").status, 200);
  const auto refused =
      call(Method::post, secrets, R"({"metadata": {"name": "x"}, "data": {"a": "hunter2!"}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.text, Not(HasSubstr("hunter2")));
}

TEST_F(ServerTest, RelativePathsAreRefused) {
  const auto got = call(Method::post, "/apis/batch/v1/namespaces/default/jobs", R"({
    "metadata": {"name": "j"}, "spec": {"template": {"spec": {"restartPolicy": "Never",
    "volumes": [{"name": "v", "hostPath": {"path": "data"}}],
    "containers": [{"name": "c", "image": "./c", "workingDir": "w"}]}}}})");
  ASSERT_EQ(got.status, 422) << got.text;
  for (const auto* text : {"`data` is relative", "`./c` is relative", "`w` is relative"})
    EXPECT_THAT(got.text, HasSubstr(text));
}

TEST_F(ServerTest, WarningsAreFieldsOfTheAnswer) {
  const auto got = call(Method::post, "/apis/apps/v1/namespaces/default/deployments", R"({
    "metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
    "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web", "tty": true}]}}}})");
  ASSERT_EQ(got.status, 201) << got.text;
  const auto warning = got.headers.find("warning");
  ASSERT_TRUE(warning.has_value());
  EXPECT_THAT(std::string(*warning), ::testing::StartsWith("299 weft \""));
  EXPECT_THAT(std::string(*warning), HasSubstr("tty"));
  EXPECT_EQ(got.body["spec"]["replicas"], 1) << "the default is filled in";
}

TEST_F(ServerTest, ReadsYaml) {
  const auto got = call(Method::post, services,
                        "metadata: {name: web}\nspec:\n  selector: {app: web}\n  ports:\n  - port: 80\n",
                        "application/yaml; charset=utf-8");
  EXPECT_EQ(got.status, 201) << got.text;
  EXPECT_EQ(got.body["kind"], "Service");
}

TEST_F(ServerTest, GeneratesNames) {
  std::set<std::string> names;
  for (int i = 0; i < 3; ++i) {
    auto json = Json::parse(service("web"));
    json["metadata"] = {{"generateName", "web-"}};
    const auto got = call(Method::post, services, json.dump());
    ASSERT_EQ(got.status, 201) << got.text;
    names.insert(got.body["metadata"]["name"].get<std::string>());
  }
  EXPECT_EQ(names.size(), 3U);
  for (const auto& name : names) EXPECT_EQ(name.size(), 9U) << name;
}

TEST_F(ServerTest, ADryRunChangesNothing) {
  const auto dry = call(Method::post, std::string(services) + "?dryRun=All", service("web"));
  EXPECT_EQ(dry.status, 201);
  EXPECT_TRUE(dry.body["metadata"].contains("uid"));
  EXPECT_EQ(get(std::string(services) + "/web").status, 404);

  const auto made = call(Method::post, services, service("web")).body;
  EXPECT_EQ(call(Method::post, std::string(services) + "?dryRun=All", service("web")).status, 409);
  const auto target = std::string(services) + "/web?dryRun=All";
  const auto patched = call(Method::patch, target, R"({"spec": {"ports": [{"port": 81}]}})");
  EXPECT_EQ(patched.body["spec"]["ports"][0]["port"], 81);
  EXPECT_EQ(call(Method::put, target, service("web", 82)).body["spec"]["ports"][0]["port"], 82);
  EXPECT_EQ(call(Method::delete_, target).status, 200);
  EXPECT_EQ(call(Method::delete_, std::string(services) + "/web", R"({"dryRun": ["All"]})").status, 200);
  EXPECT_EQ(get(std::string(services) + "/web").body, made);
}

TEST_F(ServerTest, ListsWhatIsSelected) {
  for (const auto* name : {"web", "cart", "pay"})
    ASSERT_EQ(call(Method::post, services, service(name)).status, 201);
  ASSERT_EQ(
      call(Method::patch, std::string(services) + "/pay", R"({"metadata": {"labels": {"tier": "back"}}})")
          .status,
      200);
  struct Case {
    const char* query;
    std::vector<std::string> expected;
  };
  const std::vector<Case> cases{
      {"", {"cart", "pay", "web"}},
      {"?labelSelector=tier%3Dback", {"pay"}},
      {"?labelSelector=!tier", {"cart", "web"}},
      {"?fieldSelector=metadata.name%3Dweb", {"web"}},
      {"?limit=1", {"cart", "pay", "web"}},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.query);
    const auto got = get(services + std::string(test.query));
    EXPECT_EQ(got.body["kind"], "ServiceList");
    EXPECT_EQ(got.body["apiVersion"], "v1");
    EXPECT_EQ(got.body["metadata"]["resourceVersion"], store->list("Service").version.text());
    std::vector<std::string> names;
    for (const auto& item : got.body["items"]) names.push_back(item["metadata"]["name"].get<std::string>());
    EXPECT_EQ(names, test.expected);
  }
  EXPECT_EQ(get("/api/v1/services").body["items"].size(), 3U);
  EXPECT_EQ(get("/api/v1/namespaces/weft-system/services").body["items"].size(), 0U);
}

TEST_F(ServerTest, ANamespaceGoesWithWhatIsInIt) {
  ASSERT_EQ(call(Method::post, "/api/v1/namespaces", R"({"metadata": {"name": "shop"}})").status, 201);
  const std::string in_shop = "/api/v1/namespaces/shop/services";
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(call(Method::post, in_shop, service("web-" + std::to_string(i))).status, 201);
  }
  ASSERT_EQ(call(Method::post, services, service("web")).status, 201);
  EXPECT_EQ(call(Method::delete_, "/api/v1/namespaces/shop").status, 200);
  EXPECT_EQ(get(in_shop).body["items"].size(), 0U);
  EXPECT_EQ(get(services).body["items"].size(), 1U);
  EXPECT_EQ(get("/api/v1/namespaces/shop").status, 404);
  EXPECT_EQ(call(Method::post, in_shop, service("web")).status, 404);
}

TEST_F(ServerTest, OfManyPatchesOfOneObjectNoneIsLost) {
  ASSERT_EQ(call(Method::post, services, service("web")).status, 201);
  std::vector<http::Request> requests;
  for (int i = 0; i < 50; ++i) {
    requests.push_back(request(
        Method::patch, std::string(services) + "/web",
        fmt::format(
            R"({{"metadata": {{"labels": {{"n{0}": "x"}}}}, "spec": {{"ports": [{{"port": {1}}}]}}}})", i,
            1000 + i)));
  }
  const auto answers = call_all(std::move(requests));
  for (const auto& got : answers) ASSERT_EQ(got.status, 200) << got.text;
  const auto now = get(std::string(services) + "/web").body;
  EXPECT_EQ(std::ranges::count(answers, now, &Got::body), 1);
  EXPECT_EQ(now["metadata"]["labels"].size(), 50U) << "every patch is in it";
  EXPECT_EQ(now["metadata"]["generation"], 51);
}

TEST_F(ServerTest, OfManyCreationsAndUpdatesExactlyOneWins) {
  const auto count = [](const std::vector<Got>& answers, int status) {
    return std::ranges::count(answers, status, &Got::status);
  };
  std::vector<http::Request> creations;
  for (int i = 0; i < 50; ++i) creations.push_back(request(Method::post, services, service("web", 1000 + i)));
  const auto created = call_all(std::move(creations));
  EXPECT_EQ(count(created, 201), 1);
  EXPECT_EQ(count(created, 409), 49);

  auto base = get(std::string(services) + "/web").body;
  std::vector<http::Request> updates;
  for (int i = 0; i < 50; ++i) {
    base["spec"]["ports"][0]["port"] = 2000 + i;
    updates.push_back(request(Method::put, std::string(services) + "/web", base.dump()));
  }
  const auto updated = call_all(std::move(updates));
  EXPECT_EQ(count(updated, 200), 1);
  EXPECT_EQ(count(updated, 409), 49);
}

TEST_F(ServerTest, AFullDiskIsToldAndPasses) {
  scope.cancel();
  open(/*max_pages=*/60);
  start();
  int refused = 0;
  for (int i = 0; i < 100 && refused == 0; ++i) {
    auto json = Json::parse(service("web-" + std::to_string(i)));
    json["metadata"]["annotations"] = {{"example.com/text", std::string(20'000, 'x')}};
    const auto got = call(Method::post, services, json.dump());
    if (got.status == 201) continue;
    ++refused;
    EXPECT_EQ(got.status, 507) << got.text;
    EXPECT_EQ(got.body["reason"], "InsufficientStorage");
    EXPECT_THAT(got.body["message"].get<std::string>(), HasSubstr("the disk is full"));
    EXPECT_EQ(get(std::string(services) + "/web-" + std::to_string(i)).status, 404);
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(call(Method::delete_, std::string(services) + "/web-0").status, 200);
  EXPECT_EQ(call(Method::post, services, service("web")).status, 201);
}

TEST_F(ServerTest, TellsWhatItOffers) {
  EXPECT_EQ(get("/api").body["versions"], Json({"v1"}));
  std::set<std::string> groups;
  for (const auto& group : Json(get("/apis").body["groups"])) groups.insert(group["name"]);
  EXPECT_EQ(groups, (std::set<std::string>{"apps", "batch", "discovery.k8s.io", "gateway.networking.k8s.io",
                                           "weft.dev"}));
  EXPECT_EQ(get("/apis/apps").body["preferredVersion"]["groupVersion"], "apps/v1");
  const auto resources = get("/apis/apps/v1").body;
  EXPECT_EQ(resources["groupVersion"], "apps/v1");
  EXPECT_EQ(resources["resources"][0]["name"], "deployments");
  EXPECT_EQ(resources["resources"][0]["kind"], "Deployment");
  EXPECT_EQ(resources["resources"][1]["name"], "deployments/status");
  for (const auto* missing : {"/api/v2", "/apis/extensions", "/apis/apps/v2", "/openapi/v3"}) {
    EXPECT_EQ(get(missing).status, 404) << missing;
  }
  EXPECT_EQ(get("/version").body["major"], "1");
}

TEST_F(ServerTest, Health) {
  EXPECT_EQ(get("/healthz").text, "ok");
  EXPECT_EQ(get("/readyz").status, 200);
  operations.why_not_ready = "waiting for the supervisor";
  const auto got = get("/readyz");
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.text, "waiting for the supervisor");
}

TEST_F(ServerTest, HandsLogsStatusAndShutdownOn) {
  operations.lines = {"one\n", "two\n"};
  const auto log = get("/api/v1/namespaces/default/pods/web-0/log?tailLines=2&container=web&previous=true");
  EXPECT_EQ(log.text, "one\ntwo\n");
  EXPECT_EQ(operations.asked.pod, "web-0");
  EXPECT_EQ(operations.asked.container, "web");
  EXPECT_EQ(operations.asked.tail_lines, 2U);
  EXPECT_TRUE(operations.asked.previous);
  EXPECT_FALSE(operations.asked.follow);
  operations.lines.clear();
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/web-0/log").status, 200);
  const auto missing = get("/api/v1/namespaces/default/pods/missing/log");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body["message"], "no such instance");

  EXPECT_EQ(get("/weft/v1/status").body["instances"], 3);
  for (const auto* query : {"?dryRun=All", "?dryRun", "?gracePeriodSeconds=5", "?service=web"}) {
    const auto refused = call(Method::post, std::string("/weft/v1/shutdown") + query);
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_NE(refused.text.find("nothing was stopped"), std::string::npos) << query << refused.text;
  }
  EXPECT_EQ(call(Method::post, "/weft/v1/shutdown", R"({"dryRun": ["All"]})").status, 400);
  EXPECT_FALSE(operations.stopped);
  const auto stopped = call(Method::post, "/weft/v1/shutdown?timeout=5s&pretty=true");
  EXPECT_EQ(stopped.status, 200);
  EXPECT_EQ(stopped.body["stopped"], "web");
  EXPECT_TRUE(operations.stopped);
  const std::string path = "/api/v1/namespaces/default/pods/web-0/log?";
  EXPECT_EQ(get(path + "sinceSeconds=90").status, 200);
  EXPECT_EQ(operations.asked.since, clock.wall() - std::chrono::seconds(90));
  EXPECT_EQ(get(path + "sinceTime=2023-11-14T22:13:20Z").status, 200);
  EXPECT_EQ(operations.asked.since, clock.wall());
  EXPECT_EQ(get(path + "sinceTime=yesterday").status + get(path + "sinceSeconds=-1").status, 400 + 400);
}

TEST_F(ServerTest, AcceptsWhatKubectlAsksFor) {
  struct Case {
    const char* accept;
    int expected;
  };
  for (const auto& [accept, expected] :
       {Case{"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 200}, Case{"*/*", 200},
        Case{"application/vnd.kubernetes.protobuf,application/json", 200},
        Case{"application/vnd.kubernetes.protobuf", 406}}) {
    auto made = request(Method::get, services);
    made.headers.add("accept", accept);
    EXPECT_EQ(call(std::move(made)).status, expected) << accept;
  }
}

TEST_F(ServerTest, TheSocketIsForItsOwnerAlone) {
  struct stat found{};
  ASSERT_EQ(::stat(folder.file("api.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace weft::control::api
