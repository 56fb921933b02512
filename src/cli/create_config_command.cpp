// `create secret` and `create configmap`: from literals, files, folders and files of variables.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "base/base64.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "model/decode.h"
#include "model/env_file.h"
#include "model/kinds.h"
#include "model/resource.h"

namespace weft::cli {

using base::Json;

namespace {

namespace fs = std::filesystem;

struct Options {
  std::string name;
  std::string type = "Opaque";
  std::vector<std::string> literals;
  std::vector<std::string> files;
  std::vector<std::string> env_files;
  /// none, client or server.
  std::string dry_run = "none";
};

/// The keys with their values as bytes.
class Data {
 public:
  explicit Data(const Invocation& invocation) : invocation_(invocation) {}

  Result<void> add_literal(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return failure(Exit::usage, "--from-literal needs KEY=VALUE", {}, "write --from-literal KEY=VALUE");
    return add(text.substr(0, equals), text.substr(equals + 1), "--from-literal");
  }

  Result<void> add_file(const std::string& text) {
    const auto equals = text.find('=');
    const std::string path = equals == std::string::npos ? text : text.substr(equals + 1);
    std::error_code error;
    if (!fs::is_directory(path, error))
      return add_file(
          equals == std::string::npos ? fs::path(path).filename().string() : text.substr(0, equals), path);
    if (equals != std::string::npos)
      return failure(Exit::usage, fmt::format("--from-file={}: a folder has many keys", text), {},
                     fmt::format("leave the key out: --from-file={}", path));
    const auto entries = entries_of(path);
    if (!entries) return std::unexpected(entries.error());
    for (const auto& entry : *entries) {
      std::error_code dangling;  // a link that leads nowhere is no file
      if (!entry.is_regular_file(dangling)) continue;
      if (auto added = add_file(entry.path().filename().string(), entry.path().string()); !added)
        return added;
    }
    return {};
  }

  Result<void> add_env_file(const std::string& path) {
    const auto text = read_text(path, invocation_);
    if (!text) return std::unexpected(text.error());
    const auto variables = model::parse_env_file(*text, [](const std::string& name) {
      const char* value = std::getenv(name.c_str());
      return value ? std::optional<std::string>(value) : std::nullopt;
    });
    if (!variables)
      return failure(Exit::invalid,
                     fmt::format("{}:{}: {}", path, variables.error().line, variables.error().message));
    for (const auto& [name, value] : *variables) {
      if (auto added = add(name, value, path); !added) return added;
    }
    return {};
  }

  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  Result<void> add_file(const std::string& key, const std::string& path) {
    auto text = read_text(path, invocation_);
    if (!text) return std::unexpected(text.error());
    return add(key, std::move(*text), path);
  }

  Result<void> add(const std::string& key, std::string value, const std::string& origin) {
    if (const auto fault = model::data_key_fault(key); !fault.empty())
      return failure(Exit::usage, fmt::format("{}: the key `{}` {}", origin, key, fault), {},
                     "choose another key: --from-file=KEY=FILE, --from-literal=KEY=VALUE");
    if (!values_.emplace(key, std::move(value)).second)
      return failure(Exit::usage, fmt::format("{}: the key `{}` is given twice", origin, key), {},
                     "give each key once");
    return {};
  }

  const Invocation& invocation_;
  std::map<std::string, std::string> values_;
};

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0, length = 0; at < bytes.size(); at += length) {
    length = base::sequence_length(bytes, at);
    if (length == 0) return false;
  }
  return true;
}

Result<Json> document_of(const Invocation& invocation, const Options& options, const model::Kind& kind) {
  Data data(invocation);
  for (const auto& [texts, add] :
       {std::pair(&options.literals, &Data::add_literal),
        std::pair(&options.files, static_cast<Result<void> (Data::*)(const std::string&)>(&Data::add_file)),
        std::pair(&options.env_files, &Data::add_env_file)}) {
    for (const auto& text : *texts) {
      if (auto added = (data.*add)(text); !added) return std::unexpected(added.error());
    }
  }
  Json document = {{"apiVersion", kind.api_version},
                   {"kind", kind.kind},
                   {"metadata", {{"name", options.name}, {"namespace", invocation.ns}}}};
  const bool is_secret = kind.kind == model::Secret::kind;
  if (is_secret) document["type"] = options.type;
  for (const auto& [key, value] : data.values()) {
    if (is_secret) {
      document["data"][key] = base::encode_base64(value);
    } else if (is_utf8(value)) {
      document["data"][key] = value;
    } else {
      document["binaryData"][key] = base::encode_base64(value);
    }
  }
  return document;
}

/// What would be sent: with a Secret's values, which whoever typed them wants to lead on to `weft apply -f
/// -`.
Result<void> show_unsent(const Json& document, const Invocation& invocation, const model::Kind& kind) {
  const auto decoded = model::decode(document);
  for (const auto& one : decoded.diagnostics) {
    if (one.severity == base::Severity::error)
      return failure(Exit::invalid, fmt::format("{}: {}", one.field, one.message), {}, one.mend);
  }
  if (!wants_documents(invocation)) {
    print(fmt::format("{}/{}{}\n", kind.singular, name_of(document),
                      invocation.format == Format::name ? "" : " created (dry run)"));
  } else {
    print(show_with_values(document, invocation));
  }
  return {};
}

Result<void> run(const Invocation& invocation, const Options& options, const model::Kind& kind) {
  auto document = document_of(invocation, options, kind);
  if (!document) return std::unexpected(std::move(document.error()));
  if (options.dry_run == "client") return show_unsent(*document, invocation, kind);
  const bool is_dry = options.dry_run == "server";
  auto session = open_session(invocation, is_dry ? Absent::read : Absent::start);
  if (!session) return std::unexpected(std::move(session.error()));
  const auto path = with_query(rest_path(kind, invocation.ns), {{"dryRun", is_dry ? "All" : ""}});
  auto reply = (*session)->reactor.block_on(
      (*session)->api.call(message::Method::post, path, std::move(*document), Again::only_if_unsent));
  if (!reply) return std::unexpected(std::move(reply.error()));
  if (!reply->ok()) return std::unexpected(failure_of(*reply));
  if (invocation.format == Format::table || invocation.format == Format::wide) {
    print(fmt::format("{}/{} created{}\n", kind.singular, options.name, is_dry ? " (server dry run)" : ""));
  } else {
    print(show({std::move(reply->body)}, kind, invocation, true));
  }
  return {};
}

void add_kind(Command parent, Invocation& invocation, const std::string& name, std::string_view kind_name,
              const std::string& description, const std::string& examples) {
  auto options = std::make_shared<Options>();
  const auto& kind = *model::find_kind(kind_name);
  auto command = parent.add(name, description, examples);
  command.option("NAME", options->name, "Its name", {.required = true});
  command.option("--from-literal", options->literals, "KEY=VALUE; may be repeated", {.value = "KEY=VALUE"});
  command.option("--from-file", options->files,
                 "[KEY=]FILE, or a folder, whose files are the keys; may be repeated", {.value = "FILE"});
  command.option("--from-env-file", options->env_files, "A file of NAME=VALUE lines; may be repeated",
                 {.value = "FILE"});
  if (kind.kind == model::Secret::kind)
    command.option("--type", options->type, "Its type", {.value = "TYPE"});
  command.flag(
      "--dry-run{client}", options->dry_run,
      "Store nothing: =client only shows it, with -o yaml for `weft apply -f -`, =server asks the control "
      "plane, too",
      {"none", "client", "server"});
  command.timeout(invocation);
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, &kind] { return run(invocation, *options, kind); });
}

}  // namespace

void add_create(Command parent, Invocation& invocation) {
  auto create = parent.add("create", "Create a Secret or a ConfigMap from literals and files",
                           "weft create secret generic db --from-env-file=.env\n"
                           "weft create configmap web --from-file=settings.json --from-literal=LEVEL=debug");
  create.needs_subcommand();
  auto secret = create.add("secret", "Create a Secret", "weft create secret generic db --from-env-file=.env");
  secret.needs_subcommand();
  add_kind(secret, invocation, "generic", model::Secret::kind, "Create a Secret from literals and files",
           "weft create secret generic db --from-env-file=.env\n"
           "weft create secret generic tls --from-file=key.pem --from-file=ca=ca.pem");
  add_kind(create, invocation, "configmap", model::ConfigMap::kind, "Create a ConfigMap",
           "weft create configmap web --from-file=settings/ --from-literal=LEVEL=debug");
}

}  // namespace weft::cli
