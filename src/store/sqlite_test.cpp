#include "store/sqlite.h"

#include <gtest/gtest.h>

#include <set>

#include "runtime/scope.h"
#include "store/change.h"
#include "store/test_store.h"

namespace weft::store {
namespace {

class SqliteStoreTest : public StoreTest {
 protected:
  void SetUp() override { open(); }
};

TEST_F(SqliteStoreTest, CreatesReadsUpdatesAndRemoves) {
  const auto made = create(object("Deployment", "web"));
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ((*made)->at("metadata").at("generation"), 1);
  EXPECT_EQ((*made)->at("metadata").at("creationTimestamp"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(store->get(deployment("web")), *made);
  EXPECT_EQ(version(), version_of(**made));

  const auto changed = update(object("Deployment", "web", 3));
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ((*changed)->at("metadata").at("generation"), 2);
  EXPECT_EQ((*changed)->at("metadata").at("uid"), (*made)->at("metadata").at("uid"));
  EXPECT_GT(place(*changed), place(*made));

  auto with_status = **changed;
  with_status["status"] = {{"readyReplicas", 3}};
  const auto status = update_status(with_status);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ((*status)->at("metadata").at("generation"), 2);
  EXPECT_EQ(store->get(deployment("web"))->at("status").at("readyReplicas"), 3);

  const auto gone = remove(deployment("web"));
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(version_of(**gone), version());
  EXPECT_EQ(store->get(deployment("web")), nullptr);
  EXPECT_EQ(remove(deployment("web")).error().kind, StoreErrorKind::not_found);
}

TEST_F(SqliteStoreTest, NoChangeIsNoNewVersion) {
  const auto made = create(object("Deployment", "web"));
  const auto transactions = store->stats().transactions;
  const auto same = update(object("Deployment", "web"));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(*same, *made);
  EXPECT_EQ(store->stats().transactions, transactions);
}

TEST_F(SqliteStoreTest, RefusesWhatHasNoName) {
  EXPECT_EQ(create({{"kind", "Service"}}).error().kind, StoreErrorKind::malformed);
  EXPECT_EQ(update({{"metadata", {{"name", "web"}}}}).error().kind, StoreErrorKind::malformed);
  EXPECT_EQ(update_status(nullptr).error().kind, StoreErrorKind::malformed);
}

TEST_F(SqliteStoreTest, ListsByKindAndNamespaceInOrder) {
  for (const auto* name : {"b", "a"}) {
    for (const auto* ns : {"two", "one"}) {
      auto json = object("Service", name);
      json["metadata"]["namespace"] = ns;
      ASSERT_TRUE(create(json).has_value());
    }
  }
  ASSERT_TRUE(create(object("Servicer", "a")).has_value());
  ASSERT_TRUE(create({{"kind", "Namespace"}, {"metadata", {{"name", "one"}}}}).has_value());
  const auto names = [&](std::string_view kind, std::string_view ns) {
    std::string text;
    for (const auto& found : store->list(kind, ns).objects) {
      const auto key = key_of(*found);
      text += key.ns + "/" + key.name + " ";
    }
    return text;
  };
  EXPECT_EQ(names("Service", ""), "one/a one/b two/a two/b ");
  EXPECT_EQ(names("Service", "two"), "two/a two/b ");
  EXPECT_EQ(names("Service", "on"), "");
  EXPECT_EQ(names("Namespace", ""), "/one ");
}

TEST_F(SqliteStoreTest, OfManyChangesOfOneVersionExactlyOneWins) {
  const auto made = create(object("Deployment", "web"));
  std::vector<runtime::Task<Result<Object>>> tasks;
  for (int i = 0; i < 50; ++i) {
    auto next = **made;
    next["spec"]["replicas"] = 100 + i;
    tasks.push_back(store->update(std::move(next)));
  }
  int won = 0;
  for (const auto& result : run_all(reactor, std::move(tasks))) {
    if (result) {
      ++won;
    } else {
      EXPECT_EQ(result.error().kind, StoreErrorKind::conflict);
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(store->get(deployment("web"))->at("metadata").at("generation"), 2);
}

TEST_F(SqliteStoreTest, OfManyCreationsExactlyOneWinsAndTheOthersFindItsObject) {
  std::vector<runtime::Task<Result<Object>>> tasks;
  for (int i = 0; i < 50; ++i) tasks.push_back(store->create(object("Deployment", "web", i)));
  const auto results = run_all(reactor, std::move(tasks));
  EXPECT_TRUE(results[0].has_value());
  for (std::size_t i = 1; i < results.size(); ++i) {
    ASSERT_FALSE(results[i].has_value());
    EXPECT_EQ(results[i].error().kind, StoreErrorKind::already_exists);
  }
  EXPECT_EQ(store->get(deployment("web"))->at("spec").at("replicas"), 0);
}

runtime::Task<void> refuse_then_read(SqliteStore& store, Object& seen) {
  const auto second = co_await store.create(object("Deployment", "web", 2));
  EXPECT_FALSE(second.has_value());
  seen = store.get(deployment("web"));
}

TEST_F(SqliteStoreTest, ARefusalIsAnsweredOnlyWhenItsReasonCanBeRead) {
  runtime::Scope scope;
  auto first = store->create(object("Deployment", "web", 1));
  first.start();
  EXPECT_EQ(store->get(deployment("web")), nullptr) << "not durable yet";
  Object seen;
  scope.spawn(refuse_then_read(*store, seen));
  while (scope.size() != 0) reactor.turn();
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->at("spec").at("replicas"), 1);
}

TEST_F(SqliteStoreTest, ChangesHappenInTheOrderOfTheirCalls) {
  std::vector<runtime::Task<Result<Object>>> tasks;
  tasks.push_back(store->create(object("Deployment", "web", 1)));
  tasks.push_back(store->update(object("Deployment", "web", 2)));
  tasks.push_back(store->remove(deployment("web"), {}));
  tasks.push_back(store->update(object("Deployment", "web", 3)));
  tasks.push_back(store->create(object("Deployment", "web", 4)));
  const auto results = run_all(reactor, std::move(tasks));
  EXPECT_TRUE(results[0] && results[1] && results[2] && results[4]);
  EXPECT_EQ(results[3].error().kind, StoreErrorKind::not_found);
  EXPECT_EQ(store->get(deployment("web"))->at("spec").at("replicas"), 4);
  open();
  EXPECT_EQ(store->get(deployment("web"))->at("spec").at("replicas"), 4);
}

TEST_F(SqliteStoreTest, CommitsTogetherWhatCameMeanwhile) {
  std::vector<runtime::Task<Result<Object>>> tasks;
  for (int i = 0; i < 1000; ++i)
    tasks.push_back(store->create(object("Deployment", "web-" + std::to_string(i))));
  for (const auto& result : run_all(reactor, std::move(tasks))) EXPECT_TRUE(result.has_value());
  EXPECT_EQ(store->stats().writes, 1000U);
  EXPECT_LE(store->stats().transactions, 2U) << "the first alone, the rest while it was written";
  open();
  EXPECT_EQ(store->list("Deployment").objects.size(), 1000U);
}

TEST_F(SqliteStoreTest, WhoStopsWaitingDoesNotUndoTheChange) {
  auto task = store->create(object("Deployment", "web"));
  task.start();
  task.reset();
  ASSERT_TRUE(create(object("Deployment", "other")).has_value());
  EXPECT_NE(store->get(deployment("web")), nullptr);
}

TEST_F(SqliteStoreTest, VersionsRiseAcrossRestartsAlsoThoseOfKindsInMemory) {
  std::uint64_t last = 0;
  for (int run = 0; run < 3; ++run) {
    open();
    EXPECT_GE(place(version()), last);
    EXPECT_TRUE(store->list("Pod").objects.empty());
    for (int i = 0; i < 10; ++i) {
      const auto pod = create(object("Pod", "web-" + std::to_string(i)));
      ASSERT_TRUE(pod.has_value());
      EXPECT_GT(place(*pod), last);
      last = place(*pod);
    }
  }
}

TEST_F(SqliteStoreTest, KindsInMemoryCostNoTransaction) {
  const auto transactions = store->stats().transactions;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(create(object("Pod", "web-" + std::to_string(i))).has_value());
  EXPECT_EQ(store->stats().transactions, transactions);
  EXPECT_EQ(store->list("Pod").objects.size(), 100U);
}

TEST_F(SqliteStoreTest, EventsComeInOrderAndOnlyOnceDurable) {
  auto deployments = store->watch("Deployment", version());
  auto pods = store->watch("Pod", version());
  auto durable = store->create(object("Deployment", "web"));
  durable.start();
  auto ephemeral = store->create(object("Pod", "web-0"));
  ephemeral.start();
  EXPECT_FALSE(ephemeral.is_done()) << "it must not overtake the one before it";
  EXPECT_TRUE(store->list("Pod").objects.empty());
  const auto pod = reactor.block_on((*pods)->next());
  const auto known = reactor.block_on((*deployments)->next());
  ASSERT_EQ(known->size(), 1U);
  ASSERT_EQ(pod->size(), 1U);
  EXPECT_LT(place(known->front().object), place(pod->front().object));
  EXPECT_EQ((*deployments)->seen(), (*pods)->seen());
  EXPECT_EQ((*pods)->seen(), version_of(*pod->front().object));
}

TEST_F(SqliteStoreTest, AVersionIsReadOnlyAsItIsWritten) {
  for (const auto* text : {"", "x", "1x", "-1", "1.5", " 1", "18446744073709551616"}) {
    EXPECT_EQ(store->parse_version(text).error().kind, StoreErrorKind::malformed) << text;
    EXPECT_EQ(store->watch("Deployment", Version(text)).error().kind, StoreErrorKind::gone) << text;
  }
  EXPECT_EQ(store->parse_version(version().text()), version());
}

TEST_F(SqliteStoreTest, AWatchSeesEveryKindOfChange) {
  const auto since = version();
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  ASSERT_TRUE(update(object("Deployment", "web", 2)).has_value());
  const auto gone = remove(deployment("web"));
  ASSERT_TRUE(gone.has_value());
  auto watch = store->watch("Deployment", since);
  ASSERT_TRUE(watch.has_value());
  const auto events = reactor.block_on((*watch)->next());
  ASSERT_EQ(events->size(), 3U);
  EXPECT_EQ((*events)[0].type, Event::Type::added);
  EXPECT_EQ((*events)[1].type, Event::Type::modified);
  EXPECT_EQ((*events)[2].type, Event::Type::deleted);
  EXPECT_EQ((*events)[2].object, *gone);
  EXPECT_EQ((*events)[0].previous, nullptr);
  EXPECT_EQ((*events)[1].previous, (*events)[0].object);
  EXPECT_EQ((*events)[2].previous, (*events)[1].object);
}

TEST_F(SqliteStoreTest, AfterARestartOldVersionsAreGone) {
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  const auto since = version();
  open();
  EXPECT_EQ(store->watch("Deployment", since).error().kind, StoreErrorKind::gone);
  EXPECT_TRUE(store->watch("Deployment", version()).has_value());
}

TEST_F(SqliteStoreTest, TextThatIsNoUtf8DoesNotKeepAnObjectOut) {
  auto json = object("Deployment", "web");
  json["spec"]["note"] = "\xff\xfe";
  ASSERT_TRUE(create(json).has_value());
  open();
  EXPECT_NE(store->get(deployment("web")), nullptr);
}

}  // namespace
}  // namespace weft::store
