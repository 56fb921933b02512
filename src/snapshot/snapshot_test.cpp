#include "snapshot/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::snapshot {
namespace {

using testing::HasSubstr;

Snapshot with(Listener listener, Cluster cluster) {
  Snapshot snapshot;
  listener.name = "l";
  listener.address = base::Address::loopback(1);
  cluster.name = "c";
  snapshot.listeners.push_back(std::move(listener));
  snapshot.clusters.push_back(std::move(cluster));
  return snapshot;
}

TEST(Validate, ServerNamesLeadToClusters) {
  Listener listener;
  listener.protocol = ListenerProtocol::tls;
  EXPECT_TRUE(validate(with(listener, {}))) << "one that takes none";
  listener.sni = {{{"*"}, "c"}};
  EXPECT_TRUE(validate(with(listener, {})));
  listener.sni = {{{"*"}, "c"}, {{"a"}, "d"}};
  EXPECT_THAT(validate(with(listener, {})).error(), HasSubstr("names the cluster d, which does not exist"));
}

TEST(Validate, SharedConnectionsTellOfNoClient) {
  Listener listener;
  listener.routes = "r";
  Cluster cluster;
  cluster.protocol = ClusterProtocol::tcp;
  auto snapshot = with(listener, cluster);
  snapshot.routes.push_back({"r",
                             {{"v", {"*"}, {{"r", {}, Reply(), {}}, {"r", {}, forward_to("gone"), {}}}}},
                             {"Service", "d", "w", ""}});
  snapshot.routes.back().virtual_hosts[0].routes.push_back({"r", {}, Forward{.to = {{"gone"}, {"c"}}}, {}});
  EXPECT_TRUE(validate(snapshot)) << "a cluster of bytes may become one of HTTP before its listener does";
  snapshot.clusters.back().proxy_protocol = ProxyProtocol::v1;
  EXPECT_THAT(
      validate(snapshot).error(),
      HasSubstr("the route table r (Service d/w) leads requests to the cluster c, whose connections"));

  listener.protocol = ListenerProtocol::tcp;
  listener.cluster = "c";
  cluster.proxy_protocol = ProxyProtocol::v1;
  EXPECT_TRUE(validate(with(listener, cluster)));
  cluster = {.name = {}, .protocol = ClusterProtocol::http2};
  EXPECT_TRUE(validate(with(listener, cluster))) << "or the other way round, and Envoy's default is HTTP/1.1";
}

}  // namespace
}  // namespace weft::snapshot
