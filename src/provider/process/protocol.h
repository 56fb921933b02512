// What goes over supervisor.sock: one JSON object in each SEQPACKET message, descriptors beside it.
//   request  {"id": 7, "op": "start", ...}
//   reply    {"id": 7, "ok": ...} or {"id": 7, "error": {"kind": "image_not_found", "detail": "..."}}
//   event    {"exited": <instance>}, to the attached control plane alone
// The two sides may be of two builds that follow each other. A request that is not known is answered by an
// error ("unknown request"), after which the connection goes on; events and fields that are not known are
// passed over; a field that was added later is optional for who reads it.
#pragma once

#include <string>

#include "base/json.h"
#include "provider/process/client.h"
#include "provider/provider.h"

namespace weft::provider::process {

/// A reply to "list" holds no more instances once it has so many bytes; the next request asks for those after
/// the last id, until none come. So a message stays below what the kernel lets an unprivileged sender put
/// into one (net.core.wmem_max, 208 KB).
inline constexpr std::size_t list_bytes = std::size_t{64} * 1024;
/// The most text of an instance's labels and note, for the same reason.
inline constexpr std::size_t label_bytes = std::size_t{32} * 1024;
inline constexpr std::size_t note_bytes = std::size_t{4} * 1024;
/// The most text of an error: it may hold a program's name of any length.
inline constexpr std::size_t detail_bytes = std::size_t{4} * 1024;
/// The most text of an instance's surroundings, for the same reason.
inline constexpr std::size_t surroundings_bytes = std::size_t{128} * 1024;
/// Most ports of one instance, of which its image may have some too.
inline constexpr std::size_t most_instance_ports = 256;

/// Without its volumes and run_as, which are dealt with before.
base::Json to_json(const InstanceSpec& spec);
base::Json to_json(const Instance& instance);
base::Json to_json(const Located& located);
base::Json to_json(const OwnProcess& process);
base::Json to_json(const SupervisorStatus& status);
base::Json to_json(const ProviderError& error);
base::Json to_json(const Surroundings& surroundings);

/// These give an error of kind `failed` for what is not of the right form.
Result<InstanceSpec> spec_from_json(const base::Json& json);
Result<Instance> instance_from_json(const base::Json& json);
Result<Located> located_from_json(const base::Json& json);
Result<SupervisorStatus> status_from_json(const base::Json& json);
Result<Surroundings> surroundings_from_json(const base::Json& json);
/// Throws what nlohmann throws.
OwnProcess own_process_from_json(const base::Json& json);
/// A number of milliseconds, not negative, from which a deadline can be made. Throws what nlohmann throws.
std::chrono::milliseconds time_limit(const base::Json& json);
ProviderError error_from_json(const base::Json& json);

}  // namespace weft::provider::process
