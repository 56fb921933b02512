// The resources that the tests of the reconcilers are about.
#pragma once

#include <fmt/format.h>

#include <string>

namespace weft::control::reconcile::testing {

/// A Deployment whose container listens on 8080 (default probes); `extra` are further fields of the
/// container.
inline std::string deployment(const std::string& name, int replicas = 1, const std::string& image = "image",
                              const std::string& extra = "") {
  return fmt::format(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {0}}}
spec:
  replicas: {1}
  selector: {{matchLabels: {{app: {0}}}}}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec:
      containers:
      - name: main
        image: {2}
        ports: [{{name: http, containerPort: 8080}}]
        env: [{{name: OWN, value: value}}]
{3}
)",
                     name, replicas, image, extra);
}

/// A Service with its Deployment.
inline std::string service(const std::string& name, const std::string& depends_on = "", int replicas = 1,
                           const std::string& image = "image") {
  return fmt::format(R"({0}
---
apiVersion: v1
kind: Service
metadata: {{name: {1}}}
spec:
  selector: {{app: {1}}}
  ports: [{{port: 80, targetPort: http}}]
  dependsOn: [{2}]
)",
                     deployment(name, replicas, image), name, depends_on);
}

inline std::string job(const std::string& name, int backoff_limit = 2,
                       const std::string& restart_policy = "Never") {
  return fmt::format(R"(
apiVersion: batch/v1
kind: Job
metadata: {{name: {0}}}
spec:
  backoffLimit: {1}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec:
      restartPolicy: {2}
      containers: [{{name: main, image: image}}]
)",
                     name, backoff_limit, restart_policy);
}

}  // namespace weft::control::reconcile::testing
