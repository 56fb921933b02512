// What can be done to a Pod, which weft alone makes.
#include "control/api/test_server.h"

namespace weft::control::api {
namespace {

using base::Json;
using message::Method;

TEST_F(ServerTest, DeletingAPodStopsItsInstance) {
  const std::string pods = "/api/v1/namespaces/default/pods";
  const Json pod = {
      {"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", "web-0"}, {"namespace", "default"}}}};
  ASSERT_TRUE(reactor.block_on(store->create(pod)).has_value());
  const auto uid = get(pods + "/web-0").body["metadata"]["uid"].get<std::string>();
  EXPECT_EQ(call(Method::delete_, pods + "/web-1").status, 404);
  EXPECT_EQ(call(Method::delete_, pods + "/web-0?dryRun=All").status, 200);
  EXPECT_EQ(call(Method::delete_, pods + "/web-0", R"({"preconditions": {"uid": "another"}})").status, 409);
  EXPECT_EQ(call(Method::delete_, pods + "/web-0", R"({"preconditions": {"resourceVersion": "1"}})").status,
            409);
  EXPECT_EQ(operations.stopped_instances, std::vector<std::string>());
  EXPECT_EQ(call(Method::delete_, pods + "/web-0", Json{{"preconditions", {{"uid", uid}}}}.dump()).status,
            200);
  EXPECT_EQ(operations.stopped_instances, std::vector<std::string>{"default/web-0"});
  EXPECT_EQ(get(pods + "/web-0").status, 200) << "it is gone when its process is";
}

}  // namespace
}  // namespace weft::control::api
