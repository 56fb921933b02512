#include "control/api/route.h"

#include <gtest/gtest.h>

namespace weft::control::api {
namespace {

using message::Method;

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  for (;;) {
    const auto end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    if (end == std::string_view::npos) return segments;
    path.remove_prefix(end + 1);
  }
}

std::string_view word(Verb verb) {
  switch (verb) {
    case Verb::get: return "get";
    case Verb::list: return "list";
    case Verb::watch: return "watch";
    case Verb::create: return "create";
    case Verb::update: return "update";
    case Verb::patch: return "patch";
    case Verb::remove: return "remove";
  }
  return {};
}

/// "get Service default/web", or what else it is.
std::string describe(const Outcome<Route>& route) {
  if (!route) return std::string(to_string(route.error().reason)) + " " + route.error().allow;
  if (const auto* object = std::get_if<ObjectRoute>(&*route)) {
    return std::string(word(object->verb)) + " " + std::string(object->kind->kind) + " " + object->ns + "/" +
           object->name;
  }
  if (const auto* log = std::get_if<LogRoute>(&*route)) return "log " + log->ns + "/" + log->pod;
  if (const auto* discovery = std::get_if<DiscoveryRoute>(&*route)) {
    return "discovery " + std::to_string(discovery->segments.size());
  }
  return "page " + std::to_string(static_cast<int>(std::get<Page>(*route)));
}

struct Case {
  Method method;
  const char* path;
  const char* expected;
};

TEST(Route, FindsWhatIsAskedFor) {
  const std::vector<Case> cases{
      {Method::get, "/api/v1/namespaces/default/services", "list Service default/"},
      {Method::head, "/api/v1/namespaces/default/services", "list Service default/"},
      {Method::get, "/api/v1/services", "list Service /"},
      {Method::post, "/api/v1/namespaces/default/services", "create Service default/"},
      {Method::get, "/api/v1/namespaces/default/services/web", "get Service default/web"},
      {Method::put, "/api/v1/namespaces/default/services/web", "update Service default/web"},
      {Method::patch, "/api/v1/namespaces/default/services/web", "patch Service default/web"},
      {Method::delete_, "/api/v1/namespaces/default/services/web", "remove Service default/web"},
      {Method::get, "/api/v1/namespaces/default/services/web/status", "get Service default/web"},
      {Method::get, "/apis/batch/v1/jobs", "list Job /"},
      {Method::get, "/api/v1/namespaces", "list Namespace /"},
      {Method::post, "/api/v1/namespaces", "create Namespace /"},
      {Method::get, "/api/v1/namespaces/shop", "get Namespace /shop"},
      {Method::delete_, "/api/v1/namespaces/shop", "remove Namespace /shop"},
      {Method::get, "/api/v1/namespaces/shop/status", "get Namespace /shop"},
      {Method::get, "/api/v1/namespaces/default/pods/web-0", "get Pod default/web-0"},
      {Method::get, "/api/v1/namespaces/default/pods/web-0/log", "log default/web-0"},
      {Method::get, "/api", "discovery 1"},
      {Method::get, "/api/v1", "discovery 2"},
      {Method::get, "/apis", "discovery 1"},
      {Method::get, "/apis/apps", "discovery 2"},
      {Method::get, "/apis/apps/v1", "discovery 3"},
      {Method::get, "/version", "page 0"},
      {Method::get, "/healthz", "page 1"},
      {Method::get, "/livez", "page 1"},
      {Method::get, "/readyz", "page 2"},
      {Method::get, "/weft/v1/status", "page 3"},
      {Method::get, "/metrics", "page 4"},
      {Method::post, "/weft/v1/shutdown", "page 5"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(describe(find_route(test.method, split(test.path), false)), test.expected) << test.path;
  }
  EXPECT_EQ(describe(find_route(Method::get, split("/api/v1/services"), true)), "watch Service /");
}

TEST(Route, RefusesAnEncodedSlash) {
  for (const std::vector<std::string>& segments :
       {std::vector<std::string>{"api", "v1", "namespaces", "default", "services", "a/b"},
        {"api", "v1", "namespaces", "default/services", "web"},
        {"api", "v1", "namespaces", "default", "pods", "x/log"}})
    EXPECT_EQ(describe(find_route(Method::get, segments, false)), "BadRequest ");
}

TEST(Route, RefusesTheRest) {
  const std::vector<Case> cases{
      {Method::get, "/", "NotFound "},
      {Method::get, "/openapi/v2", "NotFound "},
      {Method::get, "/openapi/v3", "NotFound "},
      {Method::get, "/api/v2/services", "NotFound "},
      {Method::get, "/api/v1/deployments", "NotFound "},
      {Method::get, "/apis/apps/v1/services", "NotFound "},
      {Method::get, "/apis/apps/v1/unicorns", "NotFound "},
      {Method::get, "/api/v1/services/web", "NotFound "},
      {Method::get, "/api/v1/namespaces/default/namespaces/shop", "NotFound "},
      {Method::get, "/api/v1/namespaces//services", "NotFound "},
      {Method::get, "/api/v1/namespaces/default/services/", "NotFound "},
      {Method::get, "/api/v1/namespaces/default/services/web/scale", "NotFound "},
      {Method::get, "/api/v1/namespaces/default/services/web/log", "NotFound "},
      {Method::get, "/api/v1/namespaces/default/services/web/status/x", "NotFound "},
      {Method::delete_, "/api/v1/namespaces/default/services", "MethodNotAllowed GET, POST"},
      {Method::post, "/api/v1/namespaces/default/services/web", "MethodNotAllowed GET, PUT, PATCH, DELETE"},
      {Method::delete_, "/api/v1/namespaces/default/services/web/status", "MethodNotAllowed GET"},
      {Method::put, "/api/v1/namespaces/default/services/web/status", "MethodNotAllowed GET"},
      {Method::patch, "/apis/apps/v1/namespaces/a/deployments/b/status", "MethodNotAllowed GET"},
      {Method::put, "/api/v1/namespaces/shop/status", "MethodNotAllowed GET"},
      {Method::post, "/api/v1/services", "MethodNotAllowed GET"},
      {Method::post, "/api/v1/namespaces/default/pods", "MethodNotAllowed GET"},
      {Method::put, "/api/v1/namespaces/default/pods/web-0", "MethodNotAllowed GET, DELETE"},
      {Method::delete_, "/api/v1/namespaces/default/pods/web-0/status", "MethodNotAllowed GET"},
      {Method::delete_, "/api/v1/namespaces/default/events/e", "MethodNotAllowed GET"},
      {Method::post, "/api/v1/namespaces/default/pods/web-0/log", "MethodNotAllowed GET"},
      {Method::post, "/apis", "MethodNotAllowed GET"},
      {Method::post, "/healthz", "MethodNotAllowed GET"},
      {Method::get, "/weft/v1/shutdown", "MethodNotAllowed POST"},
      {Method::options, "/api/v1/namespaces/default/services", "MethodNotAllowed GET, POST"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(describe(find_route(test.method, split(test.path), false)), test.expected) << test.path;
  }
}

}  // namespace
}  // namespace weft::control::api
