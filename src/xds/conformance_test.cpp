// The scenarios of the public xds-test-harness, of both variants and all types, over streams of our server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xds/foreign_for_test.h"

namespace weft::xds {
namespace {

constexpr std::array types{Type::cluster, Type::endpoints, Type::listener, Type::routes};
constexpr std::array variants{Variant::incremental, Variant::state_of_the_world};

/// The one of that number.
std::string name_of(Type type, std::size_t i) {
  const auto sample = sample_snapshot(static_cast<int>(i) + 1);
  const bool is_cluster = type == Type::cluster || type == Type::endpoints;
  return is_cluster ? sample.clusters[i].name : sample.listeners[i].name;
}

Names names_of(Type type, const std::vector<std::size_t>& numbers) {
  Names names;
  for (const auto i : numbers) names.insert(name_of(type, i));
  return names;
}

void change(Snapshot& snapshot, Type type, std::size_t i) {
  switch (type) {
    case Type::cluster: ++snapshot.clusters[i].max_pending; return;
    case Type::endpoints: ++snapshot.clusters[i].endpoints[0].weight; return;
    case Type::listener: ++snapshot.listeners[i].trusted_hops; return;
    case Type::routes: snapshot.routes[i].virtual_hosts[0].name += 'x'; return;
    case Type::context:
    case Type::placement: return;
  }
}

/// A mesh in which the workload calls three services, and a client of each variant for each type.
class Conformance : public Session {
 public:
  Conformance() {
    server->set_contexts("local", {web});
    publish_now();
  }
  void publish_now() { server->publish("local", share(snapshot)); }
  void for_all(auto scenario, std::vector<Type> of = {types.begin(), types.end()}) {
    for (const auto variant : variants) {
      for (const auto type : of) {
        SCOPED_TRACE(testing::Message()
                     << type_url(type)
                     << (variant == Variant::incremental ? ", incremental" : ", state of the world"));
        snapshot = sample_snapshot(3);
        publish_now();
        Foreign client(*this, variant);
        scenario(client, variant, type);
      }
    }
  }
  /// Whether a change of one is told with all the others.
  static bool is_whole(Variant variant, Type type) {
    return variant == Variant::state_of_the_world && (type == Type::cluster || type == Type::listener);
  }
  Snapshot snapshot = sample_snapshot(3);
};

TEST_F(Conformance, ASubscriptionIsAnsweredOnceWithWhatItNames) {
  for_all([](Foreign& client, Variant, Type type) {
    client.want(type, names_of(type, {0, 2}));
    EXPECT_EQ(client.take().names(), names_of(type, {0, 2}));
    EXPECT_TRUE(client.is_quiet());
  });
}

TEST_F(Conformance, AWildcardIsAnsweredWithAll) {
  for (const Names& wildcard : {Names{}, Names{"*"}}) {
    for_all(
        [&](Foreign& client, Variant variant, Type type) {
          client.want(type, wildcard);
          EXPECT_EQ(client.take().names(), names_of(type, {0, 1, 2}));
          EXPECT_TRUE(client.is_quiet());
          change(snapshot, type, 1);
          publish_now();
          EXPECT_EQ(client.take().names(),
                    is_whole(variant, type) ? names_of(type, {0, 1, 2}) : names_of(type, {1}));
          snapshot = sample_snapshot(4);
          change(snapshot, type, 1);
          publish_now();
          EXPECT_EQ(client.take().names(),
                    is_whole(variant, type) ? names_of(type, {0, 1, 2, 3}) : names_of(type, {3}));
          EXPECT_TRUE(client.is_quiet());
        },
        {Type::cluster, Type::listener});
  }
}

TEST_F(Conformance, AChangeIsToldToWhoAsksForIt) {
  for_all([this](Foreign& client, Variant variant, Type type) {
    client.want(type, names_of(type, {0, 2}));
    client.take();
    change(snapshot, type, 1);
    publish_now();
    EXPECT_TRUE(client.is_quiet()) << "of another";
    change(snapshot, type, 2);
    publish_now();
    EXPECT_EQ(client.take().names(), is_whole(variant, type) ? names_of(type, {0, 2}) : names_of(type, {2}));
    EXPECT_TRUE(client.is_quiet());
  });
}

TEST_F(Conformance, ASubscriptionGrows) {
  for_all([](Foreign& client, Variant variant, Type type) {
    client.want(type, names_of(type, {0}));
    client.take();
    client.want(type, names_of(type, {0, 1}));
    EXPECT_EQ(client.take().names(), is_whole(variant, type) ? names_of(type, {0, 1}) : names_of(type, {1}));
    EXPECT_TRUE(client.is_quiet());
  });
}

TEST_F(Conformance, WhatIsUnsubscribedFromIsNotToldOfAnyMore) {
  for_all([this](Foreign& client, Variant, Type type) {
    client.want(type, names_of(type, {0, 1, 2}));
    client.take();
    client.want(type, names_of(type, {0}));
    EXPECT_TRUE(client.is_quiet());
    change(snapshot, type, 1);
    publish_now();
    EXPECT_TRUE(client.is_quiet());
    change(snapshot, type, 0);
    publish_now();
    EXPECT_EQ(client.take().names(), names_of(type, {0}));
    client.want(type, {});
    change(snapshot, type, 0);
    publish_now();
    EXPECT_TRUE(client.is_quiet()) << "the last name: that is no wildcard";
  });
}

TEST_F(Conformance, WhatIsMissingComesWhenItIsMade) {
  for_all([this](Foreign& client, Variant variant, Type type) {
    client.want(type, names_of(type, {0, 3}));
    const auto first = client.take();
    EXPECT_EQ(first.names(), names_of(type, {0}));
    if (variant == Variant::incremental) {
      const auto second = first.removed.empty() ? client.take() : first;
      EXPECT_EQ(second.removed, names_of(type, {3}));
    }
    EXPECT_TRUE(client.is_quiet());
    snapshot = sample_snapshot(4);
    publish_now();
    EXPECT_EQ(client.take().names(), is_whole(variant, type) ? names_of(type, {0, 3}) : names_of(type, {3}));
    EXPECT_TRUE(client.is_quiet());
  });
}

TEST_F(Conformance, WhatGoesIsToldWhereThatCanBeSaid) {
  for_all([this](Foreign& client, Variant variant, Type type) {
    client.want(type, names_of(type, {0, 2}));
    client.take();
    snapshot = sample_snapshot(2);
    publish_now();
    if (variant == Variant::incremental || is_whole(variant, type)) {
      const auto got = client.take();
      EXPECT_EQ(got.names(), variant == Variant::incremental ? Names{} : names_of(type, {0}));
      EXPECT_EQ(got.removed, variant == Variant::incremental ? names_of(type, {2}) : Names{});
    }
    EXPECT_TRUE(client.is_quiet());
    snapshot = sample_snapshot(3);
    publish_now();
    EXPECT_TRUE(client.take().names().contains(name_of(type, 2))) << "it comes again";
  });
}

TEST_F(Conformance, WhatWasRefusedIsNotSentAgainAndSomethingNewerIs) {
  for_all([this](Foreign& client, Variant, Type type) {
    client.want(type, names_of(type, {0}));
    client.answer(client.receive(), "not that");
    EXPECT_TRUE(client.is_quiet());
    ASSERT_TRUE(server->last_nack(web));
    EXPECT_EQ(server->last_nack(web)->text, "not that");
    change(snapshot, type, 0);
    publish_now();
    EXPECT_EQ(client.take().names(), names_of(type, {0}));
    until([this] { return !server->last_nack(web); });
  });
}

TEST_F(Conformance, AllTypesOnOneStreamComeInTheOrderInWhichTheyNameEachOther) {
  for (const auto variant : variants) {
    Foreign client(*this, variant);
    client.want(Type::listener, {"*"});
    client.want(Type::cluster, {"*"});
    client.take();
    client.take();
    client.want(Type::routes, names_of(Type::routes, {0, 1, 2, 3}));
    client.want(Type::endpoints, names_of(Type::endpoints, {0, 1, 2, 3}));
    while (!client.is_quiet()) client.take();
    snapshot = sample_snapshot(4);
    publish_now();
    std::vector<Type> order;
    while (!client.is_quiet()) {
      const auto got = client.take();
      EXPECT_TRUE(got.names().contains(name_of(got.type, 3)));
      order.push_back(got.type);
    }
    EXPECT_THAT(order, testing::ElementsAre(Type::cluster, Type::endpoints, Type::listener, Type::routes));
    snapshot = sample_snapshot(3);
    publish_now();
    while (!client.is_quiet()) client.take();
  }
}

TEST_F(Conformance, AClientThatDoesNotAnswerIsToldTheNewestOnce) {
  for_all([this](Foreign& client, Variant, Type type) {
    client.want(type, names_of(type, {0}));
    const auto first = client.receive();
    for (int i = 0; i < 20; ++i) {
      change(snapshot, type, 0);
      publish_now();
      EXPECT_TRUE(client.is_quiet());
    }
    client.answer(first);
    const auto newest = client.take();
    EXPECT_TRUE(client.is_quiet());
    Foreign other(*this, Variant::incremental);
    other.want(type, names_of(type, {0}));
    EXPECT_EQ(other.take().bodies, newest.bodies);
  });
}

TEST_F(Conformance, WhatCannotBeReadEndsTheStream) {
  for (const auto variant : variants) {
    Foreign client(*this, variant);
    client.want(Type::cluster, {});
    client.take();
    client.send_bytes("\xff\xff\xff");
    until([&] { return client.status.has_value(); });
    EXPECT_EQ(client.status->code, http::grpc::Code::invalid_argument);
  }
}

}  // namespace
}  // namespace weft::xds
