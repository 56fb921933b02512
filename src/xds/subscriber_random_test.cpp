// Any order of requests, answers and changes, on their way at the same time, ends with what the client asks
// for at last, in both variants.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "base/random.h"
#include "xds/subscriber_for_test.h"

namespace weft::xds {
namespace {

constexpr std::array types{Type::cluster, Type::endpoints, Type::listener, Type::routes};
using Names = std::set<std::string>;

/// A client as the specification has it, and what is on its way in both directions.
template <class Request>
struct Simulated {
  explicit Simulated(Variant variant) : subscriber(variant) {}
  static constexpr bool is_delta = std::is_same_v<Request, Subscriber::DeltaRequest>;

  bool wants(Type type, const std::string& name) {
    return wanted[type].contains("*") || wanted[type].contains(name);
  }
  /// The request that says what is wanted now, where it was `before`.
  void ask(Type type, const Names& before) {
    Request request;
    request.set_type_url(std::string(type_url(type)));
    if constexpr (is_delta) {
      for (const auto& name : wanted[type])
        if (!before.contains(name)) request.add_resource_names_subscribe(name);
      for (const auto& name : before)
        if (!wanted[type].contains(name)) request.add_resource_names_unsubscribe(name);
    } else {
      request.set_response_nonce(nonces[type]);
      for (const auto& name : wanted[type]) request.add_resource_names(name);
    }
    requests.push_back(std::move(request));
  }
  void want(Type type, Names names) {
    const auto before = std::exchange(wanted[type], std::move(names));
    std::erase_if(held[type], [&](const auto& one) { return !wants(type, one.first); });
    ask(type, before);
  }
  void take() {
    const auto update = std::move(updates.front());
    updates.pop_front();
    auto& known = held[update.type];
    const bool is_whole = !is_delta && (update.type == Type::cluster || update.type == Type::listener);
    if (is_whole) known.clear();
    for (const auto& resource : update.resources)
      if (wants(update.type, resource.name)) known[resource.name] = resource.version;
    for (const auto& name : update.removed) known.erase(name);
    nonces[update.type] = update.nonce;
    ask(update.type, wanted[update.type]);
    requests.back().set_response_nonce(update.nonce);
  }
  void deliver() {
    subscriber.take(requests.front());
    requests.pop_front();
  }
  bool send(const InventoryPtr& latest) {
    auto update = subscriber.next(latest);
    if (update) updates.push_back(std::move(*update));
    return update.has_value();
  }
  void settle(const InventoryPtr& latest) {
    for (bool is_busy = true; is_busy;) {
      is_busy = send(latest) || !requests.empty() || !updates.empty();
      while (!requests.empty()) deliver();
      while (!updates.empty()) take();
    }
  }

  Subscriber subscriber;
  std::map<Type, Names> wanted;
  std::map<Type, std::map<std::string, std::string>> held;
  std::map<Type, std::string> nonces;
  std::deque<Request> requests;
  std::deque<Update> updates;
};

snapshot::Snapshot random_sample(base::Random& random) {
  auto sample = sample_snapshot(static_cast<int>(random.below(5)));
  for (std::size_t i = 0; i < sample.clusters.size(); ++i) {
    sample.clusters[i].max_pending = static_cast<std::uint32_t>(random.below(2));
    sample.clusters[i].endpoints[0].weight = static_cast<std::uint32_t>(1 + random.below(2));
    sample.listeners[i].trusted_hops = static_cast<std::uint32_t>(random.below(2));
    sample.routes[i].virtual_hosts[0].name = random.below(2) ? "a" : "b";
  }
  return sample;
}

Names random_names(base::Random& random, Type type) {
  const bool is_cluster = type == Type::cluster || type == Type::endpoints;
  const bool may_want_all = type == Type::cluster || type == Type::listener;
  Names names;
  if (may_want_all && random.below(3) == 0) names.insert("*");
  for (const auto& name : is_cluster ? endpoints_of(5) : routes_of(5))
    if (random.below(2)) names.insert(name);
  // A first request without any would be the older wildcard.
  if (may_want_all && names.empty()) names.insert("*");
  return names;
}

template <class Request>
void run(std::uint64_t seed, Variant variant) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << ", variant " << static_cast<int>(variant));
  base::Random random(seed);
  Simulated<Request> client(variant);
  auto latest = inventory(random_sample(random), nullptr, Dialect::envoy);
  for (int event = 0; event < 100; ++event) {
    const auto type = types[random.below(types.size())];
    switch (random.below(6)) {
      case 0: client.want(type, random_names(random, type)); break;
      case 1: latest = inventory(random_sample(random), latest, Dialect::envoy); break;
      case 2: client.send(latest); break;
      case 3:
        if (!client.requests.empty()) client.deliver();
        break;
      default:
        if (!client.updates.empty()) client.take();
        break;
    }
  }
  client.settle(latest);
  EXPECT_TRUE(client.subscriber.is_settled(latest));
  for (const auto type : types) {
    std::map<std::string, std::string> expected;
    for (const auto& entry : latest->of(type))
      if (client.wants(type, std::string(entry.name))) expected.emplace(entry.name, entry.version);
    // State of the world does not say which endpoints and routes have gone: nothing leads there any more.
    if (!Simulated<Request>::is_delta && (type == Type::endpoints || type == Type::routes)) {
      std::erase_if(client.held[type],
                    [&](const auto& one) { return latest->find(type, one.first) == nullptr; });
    }
    EXPECT_EQ(client.held[type], expected) << type_url(type);
  }
}

TEST(SubscriberProperty, AnyOrderEndsWithWhatIsAskedFor) {
  for (std::uint64_t seed = 1; seed <= 200 && !testing::Test::HasFailure(); ++seed) {
    run<Subscriber::DeltaRequest>(seed, Variant::incremental);
    run<Subscriber::WorldRequest>(seed, Variant::state_of_the_world);
  }
}

}  // namespace
}  // namespace weft::xds
