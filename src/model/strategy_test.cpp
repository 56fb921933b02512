// How Deployments are rolled out and Jobs run: the fields, their rules and their way back into text.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/decode.h"
#include "model/load.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

std::string with_spec(bool is_job, std::string_view fields) {
  return fmt::format(
      "apiVersion: {}\nkind: {}\nmetadata: {{name: web}}\nspec:\n  {}\n{}  template:\n"
      "    metadata: {{labels: {{app: web}}}}\n"
      "    spec: {{{}containers: [{{name: c, image: example}}]}}\n",
      is_job ? "batch/v1" : "apps/v1", is_job ? "Job" : "Deployment", fields,
      is_job ? "" : "  selector: {matchLabels: {app: web}}\n", is_job ? "restartPolicy: Never, " : "");
}

template <class T>
T loaded(std::string_view fields) {
  auto found = load(with_spec(std::is_same_v<T, Job>, fields), "web.yaml");
  EXPECT_TRUE(found.diagnostics.empty()) << base::render(found.diagnostics);
  return std::get<T>(found.objects.at(0).resource);
}

TEST(Strategy, IsReadWithItsDefaults) {
  const auto plain = loaded<Deployment>("replicas: 1").spec;
  EXPECT_EQ(plain.strategy.type, StrategyType::rolling_update);
  EXPECT_EQ(plain.strategy.rolling_update.max_surge, (IntOrPercent{25, true}));
  EXPECT_EQ(plain.progress_deadline_seconds, 600);
  EXPECT_EQ(plain.revision_history_limit, 10);
  const auto spec = loaded<Deployment>(
                        "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 2, maxUnavailable: 50%}}\n"
                        "  minReadySeconds: 3\n  progressDeadlineSeconds: 20\n  revisionHistoryLimit: 0")
                        .spec;
  EXPECT_EQ(spec.strategy.rolling_update.max_surge, (IntOrPercent{2, false}));
  EXPECT_EQ(spec.strategy.rolling_update.max_unavailable, (IntOrPercent{50, true}));
  EXPECT_EQ(spec.min_ready_seconds, 3);
  EXPECT_EQ(spec.progress_deadline_seconds, 20);
  EXPECT_EQ(spec.revision_history_limit, 0);
  EXPECT_EQ(loaded<Deployment>("strategy: {type: Recreate}").spec.strategy.type, StrategyType::recreate);
}

TEST(Strategy, IsWrittenAsItIsRead) {
  const auto deployment = loaded<Deployment>(
      "strategy: {rollingUpdate: {maxSurge: 10%, maxUnavailable: 1}}\n  minReadySeconds: 3");
  const auto strategy = encode(deployment)["spec"]["strategy"]["rollingUpdate"];
  EXPECT_EQ(strategy["maxSurge"], "10%");
  EXPECT_EQ(strategy["maxUnavailable"], 1);
  EXPECT_EQ(decode_as<Deployment>(encode(deployment)).value(), deployment);
}

TEST(Runs, OfAJobAreReadWithTheirDefaults) {
  const auto plain = loaded<Job>("backoffLimit: 6").spec;
  EXPECT_EQ(plain.parallelism, 1);
  EXPECT_FALSE(plain.completions || plain.active_deadline_seconds || plain.ttl_seconds_after_finished);
  const auto job = loaded<Job>(
      "parallelism: 2\n  completions: 5\n  completionMode: NonIndexed\n  suspend: true\n"
      "  activeDeadlineSeconds: 60\n  ttlSecondsAfterFinished: 0");
  EXPECT_EQ(job.spec.parallelism, 2);
  EXPECT_EQ(job.spec.completions, 5);
  EXPECT_EQ(job.spec.active_deadline_seconds, 60);
  EXPECT_EQ(job.spec.ttl_seconds_after_finished, 0);
  EXPECT_TRUE(job.spec.suspend);
  EXPECT_EQ(decode_as<Job>(encode(job)).value(), job);
}

struct Wrong {
  const char* name;
  bool is_job;
  const char* fields;
  const char* field;
  const char* message;
  const char* mend;
};

class WrongRollout : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongRollout, IsSaidWithItsMend) {
  const auto& wrong = GetParam();
  const auto found = load(with_spec(wrong.is_job, wrong.fields), "web.yaml").diagnostics;
  ASSERT_EQ(found.size(), 1U) << base::render(found);
  const auto& first = *found.begin();
  EXPECT_EQ(first.field, wrong.field);
  EXPECT_THAT(first.message, HasSubstr(wrong.message));
  EXPECT_THAT(first.mend, HasSubstr(wrong.mend));
}

INSTANTIATE_TEST_SUITE_P(
    Model, WrongRollout,
    ::testing::Values(
        Wrong{"UnknownType", false, "strategy: {type: Recreat}", "spec.strategy.type", "must be one of",
              "`Recreate`"},
        Wrong{"NoPercentage", false, "strategy: {rollingUpdate: {maxSurge: x%}}",
              "spec.strategy.rollingUpdate.maxSurge", "must be a percentage", "25%"},
        Wrong{"NegativePercentage", false, "strategy: {rollingUpdate: {maxSurge: -5%}}",
              "spec.strategy.rollingUpdate.maxSurge", "must be a percentage", "25%"},
        Wrong{"NegativeNumber", false, "strategy: {rollingUpdate: {maxSurge: -1}}",
              "spec.strategy.rollingUpdate.maxSurge", "at least 0", "Change"},
        Wrong{"QuotedNumber", false, "strategy: {rollingUpdate: {maxSurge: \"1\"}}",
              "spec.strategy.rollingUpdate.maxSurge", "a whole number or a percentage", "Write"},
        Wrong{"MoreThanAll", false, "strategy: {rollingUpdate: {maxUnavailable: 101%}}",
              "spec.strategy.rollingUpdate.maxUnavailable", "at most 100%", "Change"},
        Wrong{"NeitherMoreNorLess", false, "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
              "spec.strategy.rollingUpdate.maxUnavailable", "nothing could be replaced", "maxUnavailable: 1"},
        Wrong{"RecreateRolls", false, "strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}",
              "spec.strategy.rollingUpdate", "no meaning", "Remove"},
        Wrong{"DeadlineTooShort", false, "minReadySeconds: 10\n  progressDeadlineSeconds: 10",
              "spec.progressDeadlineSeconds", "more than `minReadySeconds` (10)", "Change"},
        Wrong{"Indexed", true, "completionMode: Indexed", "spec.completionMode", "must be NonIndexed",
              "`NonIndexed`"},
        Wrong{"NoTime", true, "activeDeadlineSeconds: 0", "spec.activeDeadlineSeconds", "at least 1",
              "Change"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace weft::model
