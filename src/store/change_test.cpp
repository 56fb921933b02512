#include "store/change.h"

#include <gtest/gtest.h>

#include <functional>

namespace weft::store {
namespace {

using base::Json;

constexpr base::WallTime noon{std::chrono::seconds(1'700'000'000)};

Object stored() {
  return std::make_shared<const Json>(Json::parse(R"({
    "kind": "Deployment", "spec": {"replicas": 1}, "status": {"readyReplicas": 1},
    "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "creationTimestamp": "2023-11-14T22:13:20Z",
                 "generation": 3, "resourceVersion": "7", "labels": {"app": "web"}}})"));
}

struct Case {
  const char* name;
  std::function<Result<Object>(Json)> change;
  const char* patch;
  /// Merge patch from the stored object to what comes out; null: the very same object.
  const char* expected;
};

TEST(Change, KeepsWhatBelongsToTheStore) {
  const Stamp stamp{.version = Version("8"), .time = noon, .uid = {}};
  const auto update = [&](Json json) { return updated(stored(), std::move(json), stamp); };
  const auto status = [&](Json json) { return status_updated(stored(), std::move(json), stamp); };
  const std::vector<Case> cases{
      {"spec raises the generation", update, R"({"spec": {"replicas": 2}})",
       R"({"spec": {"replicas": 2}, "metadata": {"generation": 4, "resourceVersion": "8"}})"},
      {"labels do not", update, R"({"metadata": {"labels": {"app": "shop"}}})",
       R"({"metadata": {"labels": {"app": "shop"}, "resourceVersion": "8"}})"},
      {"status is not changed by update", update, R"({"status": {"readyReplicas": 9}})", nullptr},
      {"nor removed", update, R"({"status": null})", nullptr},
      {"nothing changes", update, R"({})", nullptr},
      {"without a version", update, R"({"metadata": {"resourceVersion": null}, "spec": {"replicas": 0}})",
       R"({"spec": {"replicas": 0}, "metadata": {"generation": 4, "resourceVersion": "8"}})"},
      {"the store's own metadata stays", update,
       R"({"metadata": {"creationTimestamp": "1999-01-01T00:00:00Z", "generation": 77}})", nullptr},
      {"a new top-level field counts", update, R"({"data": {}})",
       R"({"data": {}, "metadata": {"generation": 4, "resourceVersion": "8"}})"},
      {"a removed one too", update, R"({"spec": null})",
       R"({"spec": null, "metadata": {"generation": 4, "resourceVersion": "8"}})"},
      {"status alone", status, R"({"status": {"readyReplicas": 0}, "spec": {"replicas": 9}})",
       R"({"status": {"readyReplicas": 0}, "metadata": {"resourceVersion": "8"}})"},
      {"status goes", status, R"({"status": null})",
       R"({"status": null, "metadata": {"resourceVersion": "8"}})"},
      {"the same status", status, R"({"metadata": {"labels": null}})", nullptr},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    Json wanted = *stored();
    wanted.merge_patch(Json::parse(test.patch));
    const auto result = test.change(wanted);
    ASSERT_TRUE(result.has_value()) << result.error().detail;
    Json expected = *stored();
    if (test.expected != nullptr) expected.merge_patch(Json::parse(test.expected));
    EXPECT_EQ(**result, expected);
  }
}

TEST(Change, RefusesWhatRestsOnSomethingElse) {
  const Stamp stamp{.version = Version("8"), .time = noon, .uid = {}};
  Json old = *stored();
  old["metadata"]["resourceVersion"] = "6";
  Json other = *stored();
  other["metadata"]["uid"] = "u-0";
  EXPECT_EQ(updated(stored(), old, stamp).error().kind, StoreErrorKind::conflict);
  EXPECT_EQ(updated(stored(), other, stamp).error().kind, StoreErrorKind::conflict);
  EXPECT_EQ(status_updated(stored(), old, stamp).error().kind, StoreErrorKind::conflict);
  EXPECT_EQ(updated(nullptr, old, stamp).error().kind, StoreErrorKind::not_found);
  EXPECT_EQ(status_updated(nullptr, old, stamp).error().kind, StoreErrorKind::not_found);
  EXPECT_EQ(created(stored(), old, stamp).error().kind, StoreErrorKind::already_exists);
  EXPECT_EQ(removed(stored(), key_of(old), Version("6"), stamp).error().kind, StoreErrorKind::conflict);
  EXPECT_EQ(removed(nullptr, key_of(old), {}, stamp).error().kind, StoreErrorKind::not_found);
}

TEST(Change, CreationAndDeletionStampTheObject) {
  const auto made = created(nullptr, Json::parse(R"({"kind": "Namespace", "metadata": {"name": "shop"}})"),
                            {.version = Version("1"), .time = noon, .uid = "u-9"});
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(**made,
            Json::parse(R"({"kind": "Namespace", "metadata": {"name": "shop", "uid": "u-9", "generation": 1,
                                    "creationTimestamp": "2023-11-14T22:13:20Z", "resourceVersion": "1"}})"));
  const auto gone =
      removed(*made, key_of(**made), Version("1"), {.version = Version("2"), .time = noon, .uid = {}});
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(version_of(**gone), Version("2"));
}

TEST(Key, IsReadFromAnyDocument) {
  const Key whole{"Service", "default", "web"};
  EXPECT_EQ(
      key_of(Json::parse(R"({"kind": "Service", "metadata": {"name": "web", "namespace": "default"}})")),
      whole);
  for (const auto* text :
       {"null", "[]", "{}", R"({"kind": 1, "metadata": []})", R"({"metadata": {"name": 1}})"}) {
    EXPECT_EQ(key_of(Json::parse(text)), Key()) << text;
  }
}

}  // namespace
}  // namespace weft::store
