#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/width.h"
#include "cli/api.h"
#include "cli/apply.h"
#include "cli/failure.h"
#include "cli/live_view.h"
#include "cli/objects.h"
#include "cli/readiness.h"
#include "cli/rehearsal.h"
#include "cli/session.h"
#include "cli/system_service.h"
#include "cli/target.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

using base::Json;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(Terminal, TablesAlignByCharacters) {
  EXPECT_EQ(table({"NAME", "N"},
                  {{{"größe"}, {"1", Colour::none, true}}, {{"a"}, {"100", Colour::none, true}}}, false),
            "NAME      N\n"
            "größe     1\n"
            "a       100\n");
  EXPECT_EQ(paint("x", Colour::green, false), "x");
  EXPECT_EQ(paint("x", Colour::green, true), "\x1b[32mx\x1b[0m");
}

TEST(Terminal, TablesAlignByWhatATerminalDraws) {
  EXPECT_EQ(table({"NAME", "N"}, {{{"日本"}, {"1"}}, {{"e\u0301"}, {"2"}}}, false),
            "NAME   N\n"
            "日本   1\n"
            "e\u0301      2\n");
}

TEST(Terminal, TablesLoseWhatIsOfLittleUse) {
  const auto fitted = [](std::size_t width) {
    return fitted_table({"NAME", "A", "STATE"}, {{{"long-name-of-a-service"}, {"1"}, {"Ready"}}},
                        {"STATE", "A"}, width, false)
        .text();
  };
  EXPECT_EQ(fitted(80), "NAME                     A   STATE\nlong-name-of-a-service   1   Ready\n");
  EXPECT_EQ(fitted(30), "NAME                 A   STATE\nlong-name-of-a-se…   1   Ready\n");
  EXPECT_EQ(fitted(17), "NAME        STATE\nlong-nam…   Ready\n");
  EXPECT_EQ(fitted(9), "NAME\nlong-nam…\n");
}

TEST(Objects, KnowWhoseInstanceAPodIs) {
  const auto of = [](const char* kind) {
    return Json{{"kind", kind},
                {"metadata", {{"name", "web"}, {"namespace", "default"}}},
                {"spec", {{"selector", {{"app", "web"}}}}}};
  };
  Json pod{{"kind", "Pod"},
           {"metadata",
            {{"name", "web-1"},
             {"namespace", "default"},
             {"labels", {{"app", "web"}, {"weft.dev/kind", "Job"}, {"weft.dev/workload", "web"}}}}},
           {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
  EXPECT_TRUE(is_instance_of(pod, of("Job")));
  EXPECT_TRUE(is_instance_of(pod, of("Service")));
  EXPECT_FALSE(is_instance_of(pod, of("Deployment")));
  EXPECT_FALSE(is_instance_of(pod, of("Pod")));
  EXPECT_TRUE(is_instance_of("Pod", "web-1", name_of(pod), labels_of(pod)));
  EXPECT_TRUE(is_serving(pod));
  pod["metadata"]["deletionTimestamp"] = "2026-01-31T08:00:00Z";
  EXPECT_FALSE(is_serving(pod));
  pod["metadata"]["namespace"] = "other";
  EXPECT_FALSE(is_instance_of(pod, of("Job")));
}

TEST(LiveView, CountsWhatDoesNotFit) {
  std::vector<ServiceLine> lines;
  for (int i = 0; i < 6; ++i) {
    ServiceLine line;
    line.ns = "default";
    line.name = fmt::format("s{}", i);
    line.state = i < 4 ? Cell{"Ready", Colour::green} : Cell{"Waits", Colour::yellow};
    line.per_second = i;
    lines.push_back(line);
  }
  const auto screen = [&lines](Focus focus, int rows) {
    return render_screen(lines, false, focus, {.columns = 20, .rows = rows}, "a footer of 24 letters").text();
  };
  EXPECT_EQ(screen(Focus::addresses, 9).substr(0, 20), "SERVICE   STATUS\ns0 ");
  EXPECT_THAT(screen(Focus::addresses, 9), HasSubstr("s5        Waits\n\na footer of 24 lett…"));
  EXPECT_EQ(screen(Focus::addresses, 5),
            "SERVICE   STATUS\ns4        Waits\ns5        Waits\n… 4 more\na footer of 24 lett…");
  EXPECT_EQ(screen(Focus::addresses, 4),
            "SERVICE   STATUS\ns4        Waits\n… 5 more, 1 of them…\na footer of 24 lett…");
  EXPECT_THAT(screen(Focus::numbers, 4), HasSubstr("s5        5.0/s\n"));
}

TEST(Terminal, NothingOfOthersIsObeyed) {
  const std::string hostile = "a\x1b[2J\u009b\r\n\tb\u202e\xff";
  const std::string shown = "a\\u001b[2J\\u009b\\r\\n\\tb\\u202e\\xff";
  EXPECT_EQ(
      table({"NAME", "N"}, {{{hostile}, {"1"}}, {{std::string(base::columns_of(shown), 'x')}, {"2"}}}, false),
      "NAME" + std::string(base::columns_of(shown) - 4, ' ') + "   N\n" + shown + "   1\n" +
          std::string(base::columns_of(shown), 'x') + "   2\n");
  EXPECT_EQ(paint(hostile, Colour::green, true), "\x1b[32m" + shown + "\x1b[0m");
  EXPECT_EQ(Shown("a\n\tb\x1b\r"), "a\n\tb\\u001b\\r");
  EXPECT_EQ(render({Exit::failed, "no\nerror: forged", "\x1b]0;x\a", "\x7f", {}}, false),
            "error: no\n         error: forged\n  where: \\u001b]0;x\\u0007\n  do: \\u007f\n");
  EXPECT_EQ(render({Exit::failed, "", "", "", {{.code = "c", .message = "\x1b[2J"}}}, false),
            "error: \\u001b[2J [c]\n");
}

TEST(Failures, SayWhatWhereAndWhatToDo) {
  EXPECT_EQ(render({Exit::failed, "it broke", "here", "mend it", {}}, false),
            "error: it broke\n  where: here\n  do: mend it\n");
  EXPECT_EQ(render({Exit::failed, "it broke", {}, {}, {}}, false), "error: it broke\n");
}

std::string targets_text(const std::vector<std::string>& words, const std::string& default_kind = {}) {
  auto targets = parse_targets(words, default_kind);
  if (!targets) return "error: " + targets.error().mend;
  std::string text;
  for (const auto& target : *targets) text += std::string(target.kind->kind) + "/" + target.name + " ";
  return text;
}

TEST(Targets, ReadKindsAndNames) {
  EXPECT_EQ(targets_text({"svc"}), "Service/ ");
  EXPECT_EQ(targets_text({"services,deploy"}), "Service/ Deployment/ ");
  EXPECT_EQ(targets_text({"service", "a", "b"}), "Service/a Service/b ");
  EXPECT_EQ(targets_text({"svc/a", "job/b"}), "Service/a Job/b ");
  EXPECT_EQ(targets_text({"web"}, "Service"), "Service/web ");
  EXPECT_EQ(targets_text({"pod/../x"}), "error: write KIND/NAME");
  EXPECT_EQ(targets_text({"service"}, "Service"), "Service/service ");
  EXPECT_EQ(targets_text({"service", "web"}, "Service"), "Service/web ");
  EXPECT_EQ(targets_text({"pod/x"}, "Service"), "Pod/x ");
  EXPECT_EQ(targets_text({"servise"}), "error: did you mean service?");
}

TEST(Targets, HaveNames) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{""}, {"service", ""}, {"pod/"}, {"svc", "a", ""}})
    EXPECT_TRUE(targets_text(words).starts_with("error: ")) << words.size();
}

TEST(Api, PathsOfWhateverIsNamed) {
  const auto path = [](const char* kind, std::string_view ns, std::string_view name,
                       std::string_view below = {}) {
    return rest_path(*model::find_kind(kind), ns, name, below);
  };
  EXPECT_EQ(path("svc", "default", ""), "/api/v1/namespaces/default/services");
  EXPECT_EQ(path("svc", "", ""), "/api/v1/services");
  EXPECT_EQ(path("deploy", "a", "web"), "/apis/apps/v1/namespaces/a/deployments/web");
  EXPECT_EQ(path("ns", "a", "b"), "/api/v1/namespaces/b");
  EXPECT_EQ(path("meshconfig", "", "default"), "/apis/weft.dev/v1alpha1/meshconfigs/default");
  EXPECT_EQ(path("pod", "a", "b-1", "log"), "/api/v1/namespaces/a/pods/b-1/log");
  EXPECT_EQ(path("svc", "a b", "web?dryRun=All"), "/api/v1/namespaces/a%20b/services/web%3FdryRun%3DAll");
  EXPECT_EQ(path("svc", "a", "x/../é#%2F"), "/api/v1/namespaces/a/services/x%2F..%2F%C3%A9%23%252F");
}

TEST(Api, QueriesOfWhateverIsAsked) {
  EXPECT_EQ(with_query("/p", {}), "/p");
  EXPECT_EQ(with_query("/p", {{"watch", "true"}, {"none", ""}, {"labelSelector", "a in (b,c)&x=1"}}),
            "/p?watch=true&labelSelector=a%20in%20%28b%2Cc%29%26x%3D1");
}

TEST(TimeLimit, IsOfTheWhole) {
  const auto now = base::system_clock().now();
  EXPECT_EQ(within_limit({}, now, 20s), 20s);
  EXPECT_EQ(within_limit(TimeLimit{5s, now + 5s}, now, 20s), 5s);
  EXPECT_EQ(within_limit(TimeLimit{5s, now + 5s}, now + 4s, 20s), 1s);
  EXPECT_EQ(within_limit(TimeLimit{5s, now + 5s}, now + 6s, 20s), 0s);
  EXPECT_EQ(within_limit(TimeLimit{60s, now + 60s}, now, 20s), 20s);
}

TEST(Objects, FieldsMayBeMissing) {
  const Json object = {{"metadata", {{"name", "web"}}}, {"list", {{{"a", 1}}, 2}}};
  EXPECT_EQ(text_at(object, "/metadata/name"), "web");
  EXPECT_EQ(text_at(object, "/metadata/name/deeper"), "");
  EXPECT_EQ(number_at(object, "/list/0/a"), 1);
  EXPECT_EQ(number_at(object, "/list/9", 7), 7);
  EXPECT_TRUE(value_at(object, "/nothing").is_null());
}

std::string first_row(const char* kind, const Json& object) {
  std::string text;
  for (const auto& cell : columns_of(*model::find_kind(kind), {object}, false, false, {}).rows.front())
    text += cell.text + " ";
  return text;
}

TEST(Objects, CountsThatNobodyHasMadeAreNotZero) {
  Json object = {{"metadata", {{"name", "web"}}}, {"spec", {{"replicas", 2}}}};
  EXPECT_EQ(first_row("Service", object), "web -/- Unknown   ");
  EXPECT_EQ(first_row("Deployment", object), "web -/2 - Unknown  ");
  EXPECT_EQ(first_row("Job", object), "web Unknown -/1 -  ");
  object["status"] = {{"endpoints", {{"ready", 1}, {"total", 2}}}};
  EXPECT_EQ(first_row("Service", object), "web 1/2 Unknown   ");
  object["spec"] = {{"targetRefs", Json::array({{{"name", "web"}}, {{"name", "db"}}})}};
  EXPECT_EQ(first_row("TrafficPolicy", object), "web web,db Unknown  ");
  ServiceLine line;
  line.ns = "default";
  line.name = "web";
  EXPECT_THAT(render({line}, false).text(), HasSubstr("web       -/-"));
  EXPECT_EQ(to_json({line})["services"][0]["requestsPerSecond"], Json());
  EXPECT_EQ(to_json({line})["services"][0]["ready"], Json());
}

TEST(Objects, PoliciesHaveTheStateOfTheirAcceptance) {
  Json policy = {{"kind", "TrafficPolicy"},
                 {"metadata", {{"name", "web"}}},
                 {"status", {{"conditions", Json::array({{{"type", "Accepted"}, {"status", "True"}}})}}}};
  EXPECT_EQ(state_cell(policy).text, "Accepted");
  policy["status"]["conditions"][0] = {{"type", "Accepted"}, {"status", "False"}, {"reason", "Conflicted"}};
  EXPECT_EQ(state_cell(policy).text, "Conflicted");
}

Json condition_for(std::string type, std::string status, std::string reason, int generation) {
  return {{"type", std::move(type)},
          {"status", std::move(status)},
          {"reason", std::move(reason)},
          {"observedGeneration", generation}};
}

// Their conditions are those of each parent, and the generation stands in these alone.
TEST(Objects, RoutesHaveTheStateOfAllTheirParents) {
  const auto good = Json::array({condition_for("Accepted", "True", "Accepted", 2),
                                 condition_for("ResolvedRefs", "True", "ResolvedRefs", 2)});
  Json route = {
      {"kind", "HTTPRoute"},
      {"metadata", {{"name", "r"}, {"generation", 2}}},
      {"spec",
       {{"parentRefs", Json::array({{{"name", "web"}}})}, {"hostnames", {"a.example", "b.example"}}}}};
  EXPECT_EQ(first_row("HTTPRoute", route), "r web a.example,b.example Pending  ");
  route["status"]["parents"] = Json::array({{{"conditions", good}}, {{"conditions", good}}});
  EXPECT_EQ(state_cell(route).text, "Accepted");
  EXPECT_TRUE(progress_of(route, false).done);
  auto& second = route["status"]["parents"][1]["conditions"];
  second[1] = condition_for("ResolvedRefs", "False", "BackendNotFound", 2);
  EXPECT_EQ(state_cell(route).text, "BackendNotFound");
  EXPECT_FALSE(progress_of(route, false).done);
  second[0] = condition_for("Accepted", "False", "NoMatchingParent", 2);
  EXPECT_EQ(state_cell(route).text, "NoMatchingParent");
  second = good;
  second[0]["observedGeneration"] = 1;
  EXPECT_EQ(state_cell(route).text, "Pending") << "of what it was before";
}

TEST(Objects, DependenciesOfOtherNamespacesAreNamedWithThem) {
  const Json entries = Json::array({{{"name", "db"}},
                                    {{"name", "db"}, {"namespace", "default"}},
                                    {{"name", "db"}, {"namespace", "other"}},
                                    {{"kind", "Job"}, {"name", "db"}, {"namespace", "other"}}});
  const Json object = {{"metadata", {{"name", "web"}, {"namespace", "default"}}},
                       {"spec", {{"dependsOn", entries}}}};
  const auto table = columns_of(*model::find_kind("Deployment"), {object}, true, false, {});
  EXPECT_EQ(table.rows.front().back().text, "db,db,other/db,Job/other/db");
}

TEST(Apply, WhatItNotesForItselfIsNoChange) {
  const Json own = {{"weft.dev/source", "a:1"}, {"kubectl.kubernetes.io/last-applied-configuration", "{}"}};
  EXPECT_EQ(visible_part({{"metadata", {{"annotations", own}}}}), Json::object());
  Json noted = own;
  noted["note"] = "x";
  EXPECT_EQ(visible_part({{"metadata", {{"annotations", noted}}}, {"spec", 1}}),
            (Json{{"metadata", {{"annotations", {{"note", "x"}}}}}, {"spec", 1}}));
  for (const Json& patch : {Json::object(), Json{{"metadata", {{"annotations", nullptr}}}}})
    EXPECT_EQ(visible_part(patch), patch);
}

TEST(Objects, AgesAreShort) {
  const auto now = *base::parse_rfc3339("2026-01-03T00:00:00Z");
  EXPECT_EQ(age_of("2026-01-02T23:59:50Z", now), "10s");
  EXPECT_EQ(age_of("2026-01-02T23:50:00Z", now), "10m");
  EXPECT_EQ(age_of("2026-01-02T20:00:00Z", now), "4h");
  EXPECT_EQ(age_of("2025-12-30T00:00:00Z", now), "4d");
  EXPECT_EQ(age_of("2026-01-03T00:00:05Z", now), "0s");
  EXPECT_EQ(age_of("yesterday", now), "");
}

Json deployment(int replicas, Json status, Json annotations = Json::object()) {
  return {{"kind", "Deployment"},
          {"metadata", {{"name", "web"}, {"generation", 2}, {"annotations", std::move(annotations)}}},
          {"spec", {{"replicas", replicas}}},
          {"status", std::move(status)}};
}

Json condition(const char* type, const char* status, const char* reason, const char* message) {
  return {{"type", type}, {"status", status}, {"reason", reason}, {"message", message}};
}

TEST(Progress, OfDeployments) {
  const Json full = {{"observedGeneration", 2},
                     {"replicas", 2},
                     {"readyReplicas", 2},
                     {"availableReplicas", 2},
                     {"updatedReplicas", 2}};
  EXPECT_TRUE(progress_of(deployment(2, full)).done);
  Json old = full;
  old["observedGeneration"] = 1;
  EXPECT_FALSE(progress_of(deployment(2, old)).done);
  Json rolling = full;
  rolling["updatedReplicas"] = 1;
  EXPECT_EQ(progress_of(deployment(2, rolling)).text, "1 of 2 updated, 1 still to replace");
  EXPECT_TRUE(progress_of(deployment(0, {{"observedGeneration", 2}})).done);
  Json missing = {
      {"observedGeneration", 2},
      {"conditions", Json::array({condition("Available", "False", "ImageNotFound", "no image \"x\"")})}};
  EXPECT_TRUE(progress_of(deployment(1, missing)).stuck);
  EXPECT_EQ(progress_of(deployment(1, missing)).text, "0 of 1 ready, ImageNotFound: no image \"x\"");
  missing["conditions"] =
      Json::array({condition("Available", "False", "CreateContainerConfigError", "there is no ConfigMap x")});
  EXPECT_FALSE(progress_of(deployment(1, missing)).stuck) << "it may come yet";
  EXPECT_EQ(progress_of(deployment(1, missing)).text,
            "0 of 1 ready, CreateContainerConfigError: there is no ConfigMap x");
  missing["conditions"] =
      Json::array({condition("Available", "False", "MinimumReplicasUnavailable", "0 of 1 instance ready")});
  EXPECT_EQ(progress_of(deployment(1, missing)).text, "0 of 1 ready");
  missing["conditions"] = Json::array({condition("Available", "False", "CrashLoopBackOff", "exit code 1")});
  EXPECT_FALSE(progress_of(deployment(1, missing)).stuck);
  EXPECT_TRUE(progress_of(deployment(1, missing)).crashes);
  missing["conditions"] =
      Json::array({condition("DependenciesReady", "Unknown", "DependencyMissing", "Service db")});
  EXPECT_EQ(progress_of(deployment(1, missing)).text, "DependencyMissing: Service db");
}

TEST(Progress, OfRollouts) {
  Json status = {{"observedGeneration", 2}, {"replicas", 2},        {"readyReplicas", 1},
                 {"availableReplicas", 1},  {"updatedReplicas", 1}, {"conditions", Json::array()}};
  auto& conditions = status["conditions"];
  const auto object = [&] { return deployment(1, status); };
  const auto available = condition("Available", "True", "MinimumReplicasAvailable", "1 of 1 instance ready");
  conditions = Json::array({available, condition("Progressing", "True", "ReplicaSetUpdated", "1 of 1")});
  EXPECT_EQ(state_cell(object()).text, "Updating");
  EXPECT_TRUE(progress_of(object()).mend.empty());
  // The old instance serves, the new one ends again and again.
  conditions =
      Json::array({available, condition("Progressing", "True", "CrashLoopBackOff", "web-b: exit code 1")});
  EXPECT_EQ(state_cell(object()).text, "CrashLoopBackOff");
  EXPECT_TRUE(progress_of(object()).crashes);
  EXPECT_EQ(progress_of(object()).text, "CrashLoopBackOff: web-b: exit code 1");
  EXPECT_NE(progress_of(object()).mend.find("strategy: {type: Recreate}"), std::string::npos);
  conditions =
      Json::array({available, condition("Progressing", "False", "ProgressDeadlineExceeded", "for 10m")});
  EXPECT_EQ(state_cell(object()).text, "ProgressDeadlineExceeded");
  EXPECT_TRUE(progress_of(object()).stuck);
  conditions[1] = condition("Progressing", "True", "NewReplicaSetAvailable", "");
  EXPECT_EQ(state_cell(object()).text, "Ready");
  // Ready, and not yet for long enough.
  status["replicas"] = 1;
  status["availableReplicas"] = 0;
  conditions[0] = condition("Available", "False", "MinimumReplicasUnavailable", "0 of them for 10s");
  EXPECT_FALSE(progress_of(object()).done);
  EXPECT_EQ(progress_of(object()).text, "0 of them for 10s");
  status["observedGeneration"] = 1;
  EXPECT_EQ(state_cell(object()).text, "Pending");
}

TEST(Progress, OfJobs) {
  Json job = {{"kind", "Job"},
              {"metadata", {{"name", "migrate"}, {"generation", 2}}},
              {"spec", {{"completions", 3}}},
              {"status",
               {{"observedGeneration", 2},
                {"active", 0},
                {"conditions", Json::array({condition("Complete", "True", "CompletionsReached", "")})}}}};
  EXPECT_TRUE(progress_of(job).done);
  EXPECT_EQ(state_cell(job).text, "Complete");
  // That of an earlier template is not that of this one.
  job["metadata"]["generation"] = 3;
  EXPECT_FALSE(progress_of(job).done);
  EXPECT_EQ(state_cell(job).text, "Pending");
  job["metadata"]["generation"] = 2;
  job["status"]["conditions"] = Json::array({condition("Failed", "True", "DeadlineExceeded", "too long")});
  EXPECT_TRUE(progress_of(job).stuck);
  job["spec"]["suspend"] = true;
  job["status"]["conditions"] = Json::array({condition("Suspended", "True", "JobSuspended", "")});
  EXPECT_EQ(state_cell(job).text, "Suspended");
  EXPECT_TRUE(progress_of(job).done);
  job["status"]["active"] = 1;
  EXPECT_FALSE(progress_of(job).done);
}

TEST(Progress, OfServices) {
  Json service = {{"kind", "Service"},
                  {"metadata", {{"name", "web"}, {"generation", 1}}},
                  {"status",
                   {{"observedGeneration", 1},
                    {"endpoints", {{"ready", 1}, {"total", 2}}},
                    {"conditions", Json::array({condition("Ready", "True", "EndpointsReady", "")})}}}};
  EXPECT_FALSE(progress_of(service).done);
  EXPECT_EQ(progress_of(service).text, "1 of 2 endpoints ready");
  service["status"]["endpoints"]["ready"] = 2;
  EXPECT_TRUE(progress_of(service).done);
  service["apiVersion"] = "v1";
  service["spec"] = {{"ports", Json::array({{{"port", 80}}})}};
  service["metadata"]["annotations"] = {{"weft.dev/local-port", "8080"}};
  service["status"]["addresses"] = Json::array({{{"port", 80}, {"address", "127.0.0.1:20001"}}});
  EXPECT_FALSE(progress_of(service).done) << "the address has not moved yet";
  service["status"]["addresses"][0]["address"] = "127.0.0.1:8080";
  EXPECT_TRUE(progress_of(service).done);
  service["status"]["conditions"] =
      Json::array({condition("Ready", "False", "AddressUnavailable", "port 8080 is taken")});
  EXPECT_TRUE(progress_of(service).crashes) << "somebody may be giving it back";
  service["status"]["conditions"] = Json::array({condition("Ready", "False", "NotStarted", "")});
  EXPECT_TRUE(progress_of(service).done);
  EXPECT_FALSE(progress_of(service, true).done);
  service["status"]["conditions"] = Json::array({condition("Ready", "False", "NoMatchingWorkload", "none")});
  EXPECT_FALSE(progress_of(service).secondhand);
}

TEST(Progress, KnowsWhatIsNotStarted) {
  const Json idle = deployment(0, Json::object(), {{"weft.dev/replicas", "3"}});
  EXPECT_TRUE(is_not_started(idle));
  EXPECT_EQ(intended_replicas(idle), 3);
  EXPECT_FALSE(is_not_started(deployment(0, Json::object())));
  EXPECT_EQ(intended_replicas(deployment(2, Json::object())), 2);
}

TEST(Rehearsal, CountsNestedCallsAtBothReporters) {
  const Json db = {{"service", "db"}, {"instance", "db-1"}, {"calls", Json::object()}};
  const Json cart = {{"service", "cart"}, {"instance", "cart-1"}, {"calls", {{"db", db}}}};
  const Json web = {{"service", "web"}, {"instance", "web-1"}, {"calls", {{"cart", cart}, {"db", db}}}};
  EdgeCounts counts;
  count_calls(web, "weft-system/edge", "default/web", counts);
  count_calls(web, "weft-system/edge", "default/web", counts);
  EdgeCounts expected;
  for (const char* reporter : {"source", "destination"}) {
    expected[{reporter, "weft-system/edge", "default/web"}] = 2;
    expected[{reporter, "default/web", "default/cart"}] = 2;
    expected[{reporter, "default/web", "default/db"}] = 2;
    expected[{reporter, "default/cart", "default/db"}] = 2;
  }
  EXPECT_EQ(counts, expected);
  EXPECT_EQ(instances_text(web), "web-1 <- (cart-1 <- (db-1), db-1)");
}

TEST(Session, ADefaultFolderOfRootMayBeThatOfAUnit) {
  const auto mend = [](const std::string& folder) {
    runtime::HomeSource source;
    source.flag = folder;
    source.uid = ::geteuid();
    source.temporary = source.system_run = "/tmp/weft-none";
    const auto home = runtime::Home::resolve(source);
    return home ? mend_of_stopped(*home) : home.error().detail;
  };
  EXPECT_THAT(mend("/var/lib/weft"), HasSubstr("systemctl start weft"));
  EXPECT_THAT(mend("/var/lib/other"), HasSubstr("start it with `control-plane start`"));
}

TEST(SystemService, IsTheNextOnThePathThatIsNotWeft) {
  const auto folder = std::filesystem::temp_directory_path() / ("weft-cli-test-" + std::to_string(getpid()));
  const auto make = [&folder](const char* name) {
    std::filesystem::create_directories(folder / name);
    std::ofstream(folder / name / "service") << "#!/bin/sh\n";
    std::filesystem::permissions(folder / name / "service", std::filesystem::perms::owner_all);
  };
  make("own");
  make("other");
  std::filesystem::create_directories(folder / "link");
  std::filesystem::create_symlink(folder / "own" / "service", folder / "link" / "service");
  const auto own = std::filesystem::canonical(folder / "own" / "service").string();
  const auto path = [&folder](const char* name) { return (folder / name).string(); };
  EXPECT_EQ(
      find_system_service(path("own") + "::" + path("link") + ":" + path("none") + ":" + path("other"), own),
      path("other") + "/service");
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(is_own_service_verb("create"));
  EXPECT_FALSE(is_own_service_verb("nginx"));
  EXPECT_FALSE(is_own_service_verb("--status-all"));
}

TEST(Logs, TailGivesTheLastLines) {
  const auto path = std::filesystem::temp_directory_path() / ("weft-tail-test-" + std::to_string(getpid()));
  std::ofstream(path) << "one\ntwo\nthree\n";
  EXPECT_EQ(tail_of(path, 2), "two\nthree");
  EXPECT_EQ(tail_of(path, 9), "one\ntwo\nthree");
  EXPECT_EQ(tail_of(path, 0), "");
  std::filesystem::remove(path);
  EXPECT_EQ(tail_of(path, 2), "");
}

}  // namespace
}  // namespace weft::cli
