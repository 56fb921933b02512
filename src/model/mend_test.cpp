// Every mend that is printed as a change is applied, and what comes of it is valid and means what was
// written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/check.h"
#include "model/load.h"
#include "model/testing_mend_test.h"

namespace weft::model {
namespace {

constexpr std::string_view service = R"(apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
)";
constexpr std::string_view job = R"(apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: migrate
        image: example
)";

struct Case {
  std::string name;
  std::string_view text;
  std::string from, to;  // in the text
  std::string mend;      // what is printed first
  std::string becomes;   // what is there in place of `to` when all is mended
};

class Mends : public ::testing::TestWithParam<Case> {};

TEST_P(Mends, AreApplied) {
  const Case& one = GetParam();
  std::string text(one.text);
  const auto at = text.find(one.from);
  ASSERT_NE(at, std::string::npos) << one.from;
  const std::string rest = text.substr(at + one.from.size());
  const std::string before = text.substr(0, at);
  const Mended mended = mend(before + one.to + rest);
  EXPECT_EQ(mended.first, one.mend);
  EXPECT_TRUE(mended.is_valid) << mended.text << mended.rendered;
  EXPECT_EQ(mended.text, before + one.becomes + rest) << mended.rendered;
}

std::string in_container(const std::string& more) { return "        image: example\n        " + more + "\n"; }

/// A field of the container before and after.
Case container(std::string name, const std::string& before, std::string mend, const std::string& after) {
  return {std::move(name),    job, "        image: example\n", in_container(before), std::move(mend),
          in_container(after)};
}
Case label(std::string name, const std::string& written, std::string mend, const std::string& becomes) {
  return {std::move(name), service,
          "name: web\n",   "name: web\n  labels: {a: " + written + "}\n",
          std::move(mend), "name: web\n  labels: {a: " + becomes + "}\n"};
}
Case ports(std::string name, const std::string& before, std::string mend, const std::string& after) {
  return {std::move(name),
          service,
          "  ports:\n  - port: 80\n",
          "  ports: " + before + "\n",
          std::move(mend),
          "  ports: " + after + "\n"};
}
Case in_spec(std::string name, std::string_view text, const std::string& before, std::string mend,
             const std::string& after) {
  return {std::move(name),           text, "spec:\n", "spec:\n  " + before + "\n", std::move(mend),
          "spec:\n  " + after + "\n"};
}

const Case cases[] = {
    // What is written, not what it means.
    label("Version", "1.10", R"(Put it in quotes: "1.10".)", R"("1.10")"),
    label("Octal", "0644", R"(Put it in quotes: "0644".)", R"("0644")"),
    label("Hexadecimal", "0x1F", R"(Put it in quotes: "0x1F".)", R"("0x1F")"),
    label("Exponent", "12e03", R"(Put it in quotes: "12e03".)", R"("12e03")"),
    label("Bool", "True", R"(Put it in quotes: "True".)", R"("True")"),
    label("NewOctal", "0o17", R"(Put it in quotes: "0o17".)", R"("0o17")"),
    label("LargeNumber", "18446744073709551616", R"(Put it in quotes: "18446744073709551616".)",
          R"("18446744073709551616")"),
    label("UnderscoredNumberIsText", "1_000", "", "1_000"),
    container("Argument", "args: [--mode, 0644]", R"(Put it in quotes: "0644".)",
              R"(args: [--mode, "0644"])"),
    container("Value", "env: [{name: V, value: 1.10}]", R"(Put it in quotes: "1.10".)",
              R"(env: [{name: V, value: "1.10"}])"),
    container("ValueBehindAComment", "env: [{name: V, value: 1e3 }] # 2", R"(Put it in quotes: "1e3".)",
              R"(env: [{name: V, value: "1e3" }] # 2)"),
    {"Image", job, "image: example", "image: 1.10", R"(Put it in quotes: "1.10".)", R"(image: "1.10")"},
    {"Name", job, "name: migrate", "name: 0x1f", R"(Put it in quotes: "0x1f".)", R"(name: "0x1f")"},
    {"NameThatIsTooMuch", job, "name: migrate", "name: 1E3", "Write `1e3`.", R"(name: "1e3")"},
    // Numbers and truth.
    in_spec("QuotedNumber", job, "backoffLimit: \"3\"", "Write the number alone: 3.", "backoffLimit: 3"),
    in_spec("NumberInSingleQuotes", job, "backoffLimit: '3'", "Write the number alone: 3.",
            "backoffLimit: 3"),
    in_spec("Thousand", job, "backoffLimit: 1_000", "Write the number alone: 1000.", "backoffLimit: 1000"),
    in_spec("Broken", job, "backoffLimit: 3.0", "Write the number alone: 3.", "backoffLimit: 3"),
    in_spec("Yes", service, "dependsOn: [{name: web2, optional: yes}]", "Write `true`.",
            "dependsOn: [{name: web2, optional: true}]"),
    in_spec("Off", service, "dependsOn: [{name: web2, optional: 'Off'}]", "Write `false`.",
            "dependsOn: [{name: web2, optional: false}]"),
    in_spec("Seconds", service, "dependsOn: [{name: web2, timeout: 90}]", "Add a unit: 90s.",
            "dependsOn: [{name: web2, timeout: 90s}]"),
    {"TargetPort", service, "- port: 80", "- {port: 80, targetPort: \"8080\"}",
     "Write the number alone: 8080.", "- {port: 80, targetPort: 8080}"},
    // Names.
    in_spec("Misspelt", job, "backofLimit: 3", "Did you mean `backoffLimit`?", "backoffLimit: 3"),
    {"MisspeltAndRequired", job, "        image: example", "        imagee: example", "Did you mean `image`?",
     "        image: example"},
    {"QuotedKey", job, "        image: example", "        \"imagee\": example", "Did you mean `image`?",
     "        image: example"},
    {"KeyInLowerCase", job, "apiVersion", "apiversion", "Did you mean `apiVersion`?", "apiVersion"},
    {"Kind", job, "kind: Job", "kind: job", "Did you mean `Job`?", "kind: Job"},
    {"ApiVersion", job, "batch/v1", "batch/v1beta1", "Write `apiVersion: batch/v1`.", "batch/v1"},
    {"NoKind", job, "apiVersion: batch/v1\nkind: Job\n", "apiVersion: batch/v1\n",
     "Add it, such as `kind: Job`.", "kind: Job\napiVersion: batch/v1\n"},
    {"UpperCase", service, "name: web", "name: My_Web", "Write `my-web`.", "name: my-web"},
    {"Enum", job, "restartPolicy: Never", "restartPolicy: never", "Did you mean `Never`?",
     "restartPolicy: Never"},
    {"RestartPolicy", job, "restartPolicy: Never", "restartPolicy: Always", "Write `Never`, or `OnFailure`.",
     "restartPolicy: Never"},
    {"Protocol", service, "- port: 80", "- {port: 80, protocol: tcp}", "Write `TCP`.",
     "- {port: 80, protocol: TCP}"},
    // A command line is split as a shell does it.
    container("Command", "command: python3 -m http.server",
              R"(Write it as a list: ["python3", "-m", "http.server"].)",
              R"(command: ["python3", "-m", "http.server"])"),
    container("CommandWithQuotes", R"(command: run --name 'my shop' "x y")",
              R"(Write it as a list: ["run", "--name", "my shop", "x y"].)",
              R"(command: ["run", "--name", "my shop", "x y"])"),
    container("QuotedCommand", R"(command: "run 'a b'")", R"(Write it as a list: ["run", "a b"].)",
              R"(command: ["run", "a b"])"),
    container("CommandForAShell", "command: sleep 1 && run | tee log",
              R"(Write it as a list: ["sh", "-c", "sleep 1 && run | tee log"].)",
              R"(command: ["sh", "-c", "sleep 1 && run | tee log"])"),
    container("CommandWithAVariable", "command: run --port $PORT",
              R"(Write it as a list: ["sh", "-c", "run --port $PORT"].)",
              R"(command: ["sh", "-c", "run --port $PORT"])"),
    container("CommandWithOurVariable", "command: run --port $(PORT)",
              "Write it as a list: [\"run\", \"--port\", \"$(PORT)\"].",
              "command: [\"run\", \"--port\", \"$(PORT)\"]"),
    container("Arguments", "args: --port 80 -v", R"(Write it as a list: ["--port", "80", "-v"].)",
              R"(args: ["--port", "80", "-v"])"),
    container("ArgumentWithEquals", "args: a=b", R"(Write it as a list: ["a=b"].)", R"(args: ["a=b"])"),
    container("NumberAsArguments", "args: 80", R"(Write it as a list: ["80"].)", R"(args: ["80"])"),
    container("ArgumentsWithVariables", "args: --port $PORT --name ${NAME}x \"$A b\"",
              "Write it as a list: [\"--port\", \"$(PORT)\", \"--name\", \"$(NAME)x\", \"$(A) b\"].",
              "args: [\"--port\", \"$(PORT)\", \"--name\", \"$(NAME)x\", \"$(A) b\"]"),
    // Compose.
    in_spec("Dependency", service, "dependsOn: [web2]", R"(Write it as a map: {name: "web2"}.)",
            R"(dependsOn: [{name: "web2"}])"),
    in_spec("DependencyAlone", service, "dependsOn: web2", R"(Write it as a list: [{name: "web2"}].)",
            R"(dependsOn: [{name: "web2"}])"),
    in_spec("DependenciesOfCompose", service, "depends_on: {web2: {condition: service_healthy}}",
            "Write `dependsOn:`.", R"(dependsOn: [{name: "web2"}])"),
    container("VariablesAsAMap", "env: {A: b, V: 1.10}",
              R"(Write it as a list: [{name: "A", value: "b"}, {name: "V", value: "1.10"}].)",
              R"(env: [{name: "A", value: "b"}, {name: "V", value: "1.10"}])"),
    container("VariablesInLines", "env:\n          A: b\n          C: d",
              R"(Write it as a list: [{name: "A", value: "b"}, {name: "C", value: "d"}].)",
              "env:\n          [{name: \"A\", value: \"b\"}, {name: \"C\", value: \"d\"}]"),
    container("VariablesAsText", "env: [A=b=c]", R"(Write it as a map: {name: "A", value: "b=c"}.)",
              R"(env: [{name: "A", value: "b=c"}])"),
    container("Environment", "environment:\n        - A=b", "Write `env:`.",
              "env:\n        - {name: \"A\", value: \"b\"}"),
    container("Entrypoint", "entrypoint: run fast", "Write `command:`.", R"(command: ["run", "fast"])"),
    container("ContainerPorts", "ports: [\"8080:80\"]",
              "Write it as a map: {containerPort: 80}. The local port is its Service's: write the annotation "
              "`weft.dev/local-port: \"8080\"` there.",
              "ports: [{containerPort: 80}]"),
    container("ContainerPort", "ports: [80]", "Write it as a map: {containerPort: 80}.",
              "ports: [{containerPort: 80}]"),
    container("User", "user: 1000:100", "Write `securityContext: {runAsUser: 1000, runAsGroup: 100}`.",
              "securityContext: {runAsUser: 1000, runAsGroup: 100}"),
    container("UserByName", "user: \"postgres\" # ours",
              R"(Write `securityContext: {runAsUser: "postgres"}`.)",
              R"(securityContext: {runAsUser: "postgres"} # ours)"),
    container("Healthcheck", "healthcheck: {test: [CMD, curl, -f, localhost], interval: 1m30s, retries: 3}",
              R"(Write `readinessProbe: {exec: {command: ["curl", "-f", "localhost"]}, periodSeconds: 90, )"
              R"(failureThreshold: 3}`.)",
              R"(readinessProbe: {exec: {command: ["curl", "-f", "localhost"]}, periodSeconds: 90, )"
              R"(failureThreshold: 3})"),
    container("HealthcheckInLines",
              "healthcheck:\n          test: pg_isready || exit 1\n          timeout: 500ms\n"
              "          start_period: 10s",
              R"(Write `readinessProbe: {exec: {command: ["sh", "-c", "pg_isready || exit 1"]}, )"
              R"(timeoutSeconds: 1, initialDelaySeconds: 10}`.)",
              R"(readinessProbe: {exec: {command: ["sh", "-c", "pg_isready || exit 1"]}, )"
              R"(timeoutSeconds: 1, initialDelaySeconds: 10})"),
    container("HealthcheckOfAShell", "healthcheck: {test: [CMD-SHELL, exit 0]}",
              R"(Write `readinessProbe: {exec: {command: ["sh", "-c", "exit 0"]}}`.)",
              R"(readinessProbe: {exec: {command: ["sh", "-c", "exit 0"]}})"),
    in_spec("ConditionOfAnItem", service, "dependsOn: [{name: web2, condition: service_healthy}]",
            "Did you mean `ready`?", "dependsOn: [{name: web2, condition: ready}]"),
    in_spec("ConditionOfAnItemThatIsStarted", service,
            "dependsOn: [{name: web2, condition: service_started}]", "Did you mean `started`?",
            "dependsOn: [{name: web2, condition: started}]"),
    container("VariableWithoutValue", "env: {A: null, B: 1}",
              R"(Write it as a list: [{name: "A", value: ""}, {name: "B", value: "1"}].)",
              R"(env: [{name: "A", value: ""}, {name: "B", value: "1"}])"),
    ports("Ports", "[\"8080:80\"]", "Write it as a map: {port: 8080, targetPort: 80}.",
          "[{port: 8080, targetPort: 80}]"),
    ports("PortsOfAHost", "[127.0.0.1:8080:80/tcp]", "Write it as a map: {port: 8080, targetPort: 80}.",
          "[{port: 8080, targetPort: 80}]"),
    ports("PortNumbers", "[80]", "Write it as a map: {port: 80}.", "[{port: 80}]"),
    ports("PortAlone", "80", "Write it as a list: [{port: 80}].", "[{port: 80}]"),
    ports("PortWithoutDash", "{port: 80}", "Write it as a list: [{port: 80}].", "[{port: 80}]"),
    ports("TwoPorts", "[80, 81]", "Write it as a map: {port: 80}.",
          "[{name: port-80, port: 80}, {name: port-81, port: 81}]"),
    {"SecondResource", service, "  - port: 80\n",
     "  - port: 80\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
     "Put a line with `---` before it.",
     "  - port: 80\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n"},
    {"SecondResourceWithAMark", service, "  - port: 80\n",
     "  - port: 80\n\ufeffapiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
     "Put a line with `---` before it.",
     "  - port: 80\n---\n\ufeffapiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n"},
    container("VariablesAsMaps", "env: [{A: b}, {C: 1.0}]", R"(Write {name: "A", value: "b"}.)",
              R"(env: [{name: "A", value: "b"}, {name: "C", value: "1.0"}])"),
    in_spec("DependencyWithItsCondition", service, "dependsOn: [{web2: {condition: service_started}}]",
            R"(Write {name: "web2", condition: started}.)",
            R"(dependsOn: [{name: "web2", condition: started}])"),
    // A dash too few or too many.
    {"DashIsMissing", service, "  - port: 80\n", "    port: 80\n    targetPort: 81\n",
     "Put a dash before it (`- `), and two spaces before its other lines: it is a list of such maps.",
     "    - port: 80\n      targetPort: 81\n"},
    {"DashTooMuch", service, "metadata:\n  name: web\n", "metadata:\n- name: web\n  labels: {a: b}\n",
     "Remove the dash (`- `): it is one map, no list.", "metadata:\n  name: web\n  labels: {a: b}\n"},
    {"BracketsTooMuch", service, "selector: {app: web}", "selector: [{app: web}]",
     "Remove the brackets: it is one map, no list.", "selector: {app: web}"},
    {"LabelsAsAList", service, "selector: {app: web}", "selector: [app=web, a=1]",
     R"(Write it as a map: {"app": "web", "a": "1"}.)", R"(selector: {"app": "web", "a": "1"})"},
    {"ProbeCommand", job, "        image: example\n",
     "        image: example\n        livenessProbe: {exec: {command: cat /tmp/x}}\n",
     R"(Write it as a list: ["cat", "/tmp/x"].)",
     "        image: example\n        livenessProbe: {exec: {command: [\"cat\", \"/tmp/x\"]}}\n"},
    // What is not seen.
    {"TypographyInWhatIsRight", service, "name: web\n",
     "name: web\n  annotations: {note: it\u2019s fine, count: 3}\n", R"(Put it in quotes: "3".)",
     "name: web\n  annotations: {note: it\u2019s fine, count: \"3\"}\n"},
    {"TypographyBehindAKey", service, "- port: 80", "- {prt: 80, name: \"a\"} # it\u2019s",
     "Did you mean `port`?", "- {port: 80, name: \"a\"} # it\u2019s"},
    {"TypographyInAValueOfAWrongKey", job, "        image: example", "        imagee: it\u2019s",
     "Did you mean `image`?", "        image: it\u2019s"},
    {"NoBreakSpaceInIndentation", service, "  ports:", "\u00a0 ports:",
     "Write a space in place of a no-break space (U+00A0) in column 1.", "  ports:"},
    {"NoBreakSpaceBehindColon", service, "- port: 80", "- port:\u00a080",
     "Write a space in place of a no-break space (U+00A0) in column 10.", "- port: 80"},
    {"ZeroWidthSpaceInKey", service, "- port: 80", "- po\u200brt: 80",
     "Remove a zero-width space (U+200B) in column 7: it is not seen.", "- port: 80"},
    {"SoftHyphen", service, "name: web", "name: we\u00adb",
     "Remove a soft hyphen (U+00AD) in column 11: it is not seen.", "name: web"},
    {"ByteOrderMarkWithin", service, "kind: Service", "\ufeffkind: Service",
     "Remove a byte order mark (U+FEFF) in column 1: it is not seen.", "kind: Service"},
    {"DirectionMark", service, "name: web", "name: web\u202e",
     "Remove a direction mark (U+202E) in column 12: it is not seen.", "name: web"},
    {"FullWidthColon", service, "- port: 80", "- port\uff1a 80",
     "Write `:` in place of a full-width colon (U+FF1A) in column 9.", "- port: 80"},
    {"TypographicQuotes", service, "name: web", "name: \u201cweb\u201d",
     "Write `\"` in place of a typographic quote (U+201C) in column 9.", "name: \"web\""},
    {"TypographicDash", service, "- port: 80", "\u2013 port: 80",
     "Write `-` in place of a typographic dash (U+2013) in column 3.", "- port: 80"},
    // The text itself.
    {"TooDeep", service, "  name: web\n", "  name: web\n   labels: {a: b}\n",
     "Line up `labels:` with `name:` in line 4, column 3: remove 1 space (and move what belongs to `labels:` "
     "with "
     "it).",
     "  name: web\n  labels: {a: b}\n"},
    {"NoSpaceBehindTheColon", job, "      restartPolicy: Never\n", "      restartPolicy:Never\n",
     "Write `restartPolicy: Never`.", "      restartPolicy: Never\n"},
};
INSTANTIATE_TEST_SUITE_P(Model, Mends, ::testing::ValuesIn(cases),
                         [](const auto& one) { return one.param.name; });

/// What no change of the text alone mends is said, and nothing is changed.
struct InWords {
  std::string name, written;  // in the container
  std::vector<std::string> says;
};

class MendsInWords : public ::testing::TestWithParam<InWords> {};

TEST_P(MendsInWords, ChangeNothing) {
  std::string text(job);
  const std::string image = "        image: example\n";
  text.replace(text.find(image), image.size(), in_container(GetParam().written));
  const Mended mended = mend(text);
  for (const std::string& part : GetParam().says) EXPECT_THAT(mended.first, ::testing::HasSubstr(part));
  EXPECT_EQ(mended.text, text) << mended.rendered;
}

const InWords in_words[] = {
    {"ArgumentsForAShell",
     "args: --port $PORT | cat",
     {R"(`command: ["sh", "-c", "exec PROGRAM --port $PORT | cat"]`)", "in its place"}},
    {"ArgumentsInQuotesForAShell", "args: a '$A' $B", {"exec PROGRAM a '$A' $B"}},
    {"ArgumentWithASmallVariable", "args: $PORTx", {"exec PROGRAM $PORTx"}},
    {"ArgumentsWithoutEndOfQuote", "args: a 'b", {"Close its quote"}},
    {"NamesThatAreNone", "env: {\"B C\": 1}", {"Write each as an item"}},
    {"ValuesThatAreNoText", "env: {A: b, D: [1]}", {"Write each as an item"}},
    {"GracePeriod",
     "stop_grace_period: 30s",
     {"Move it as `terminationGracePeriodSeconds:`", "`spec.template.spec.terminationGracePeriodSeconds`"}},
    {"GracePeriodOfAPod",
     "terminationGracePeriodSeconds: 30",
     {"Move it to where it belongs: `spec.template.spec.terminationGracePeriodSeconds`"}},
    {"EnvFile",
     "env_file: .env",
     {"weft create configmap NAME --from-env-file=", "envFrom: [{configMapRef:"}},
    {"Build", "build: .", {"weft builds nothing", "image: ./app"}},
    {"Deploy", "deploy: {replicas: 2}", {"in the spec of the Deployment"}},
    {"NoHealthcheck", "healthcheck: {test: [NONE]}", {"readinessProbe: {exec: {command:"}},
    {"NoUser", "user: a b", {"securityContext: {runAsUser: USER"}},
    {"Volumes", "volumes: [\"./a:/b\"]", {"volumeMounts: [{name: data}]", "volumes: [{name: data,"}},
};
INSTANTIATE_TEST_SUITE_P(Model, MendsInWords, ::testing::ValuesIn(in_words),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace weft::model
