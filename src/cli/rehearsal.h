// The proof that a mesh works: real requests through every service's printed address, and every hop's counter
// compared with the calls that the answers tell of.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/metrics.h"
#include "cli/session.h"

namespace weft::cli {

/// The requests that one answer of an example service stands for: `service` (namespace/name) was called by
/// `caller` (namespace/workload), and so on through its `calls`. Each counts at both reporters.
void count_calls(const base::Json& answer, const std::string& caller, const std::string& service,
                 EdgeCounts& counts);

/// "web-1 <- (cart-1 <- (db-1), catalog-2)": which instances answered.
std::string instances_text(const base::Json& answer);

/// Sends `rounds` GETs to each http address of the services, and connects as often to each other one, prints
/// what answered, and waits until the counters have risen by exactly the calls made. Fails if an example
/// service does not answer with 200, any other not at all, or a counter differs. What other programs call
/// among themselves is not known: there the counters may have risen by more.
runtime::Task<Result<void>> rehearse(Session& session, std::vector<base::Json> services, int rounds);

}  // namespace weft::cli
