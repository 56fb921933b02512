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
  listener.protocol = ListenerProtocol::tcp;
  listener.cluster = "c";
  Cluster cluster;
  cluster.proxy_protocol = ProxyProtocol::v1;
  for (const auto protocol : {ClusterProtocol::http1, ClusterProtocol::http2, ClusterProtocol::automatic}) {
    cluster.protocol = protocol;
    EXPECT_THAT(validate(with(listener, cluster)).error(), HasSubstr("cluster c has the PROXY protocol"));
  }
  cluster.protocol = ClusterProtocol::tcp;
  EXPECT_TRUE(validate(with(listener, cluster)));
}

}  // namespace
}  // namespace weft::snapshot
