#include "proxy/generations.h"

#include <algorithm>
#include <utility>

#include "runtime/log.h"

namespace weft::proxy {
namespace {

using runtime::Task;

/// One that takes longer to tell its counts is counted as it was: a scrape waits for so long at most.
constexpr auto tell_limit = std::chrono::seconds(1);

}  // namespace

void Generations::adopt(Relieved relieved) {
  ended_.merge(relieved.ended);
  for (auto& older : relieved.older) {
    auto link = std::make_shared<Link>();
    link->older = std::move(older);
    links_.push_back(link);
    scope_.spawn(listen(link));
  }
  for (std::size_t i = max_generations - 1; i < links_.size(); ++i) {
    runtime::log::warning("proxy", "generation {} (process {}) is cut: {} stand side by side at most",
                          links_[i]->older.generation.number, links_[i]->older.generation.pid,
                          max_generations);
    end(links_[i], base::Duration::zero());
  }
}

Task<void> Generations::listen(std::shared_ptr<Link> link) {
  auto& older = link->older;
  while (auto message = co_await receive_json(*older.link)) {
    if (auto late = relieved_from(reactor_, *message)) {
      // The answer that it did not give in time.
      older.generation = std::move(late->older.front().generation);
      older.counted = std::move(late->older.front().counted);
      late->older.erase(late->older.begin());
      adopt(std::move(*late));
    } else {
      // Without its counts if it has no descriptor for them: then they are what they were.
      auto counted = message->fds.empty() ? std::nullopt : read_counted(message->fds.front().get());
      if (counted) older.counted = std::move(*counted);
      if (const auto now = generation_from(message->json)) older.generation = *now;
    }
    ++link->told;
    heard_.pulse();
  }
  ended_.merge(older.counted);
  link->has_ended = true;
  std::erase(links_, link);
  heard_.pulse();
}

Task<void> Generations::tell(std::shared_ptr<Link> link, base::Json json) {
  (void)co_await send_json(*link->older.link, std::move(json));
}

void Generations::end(const std::shared_ptr<Link>& link, base::Duration limit) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  scope_.spawn(tell(link, {{"op", "end"}, {"ms", ms}}));
}

void Generations::end_all(base::Duration limit) {
  for (const auto& link : Links(links_)) end(link, limit);
}

void Generations::reopen_access_logs() {
  for (const auto& link : Links(links_)) scope_.spawn(tell(link, {{"op", "reopen"}}));
}

Task<void> Generations::all_told(Links links) {
  const auto is_waited_for = [](const auto& link) { return !link->has_ended && link->told < link->asked; };
  while (std::ranges::any_of(links, is_waited_for)) co_await heard_.wait();
}

Task<void> Generations::ask_all() {
  const Links links(links_);
  for (const auto& link : links) {
    // One answer is as good for two that ask at once.
    if (link->has_ended || link->asked > link->told) continue;
    link->asked = link->told + 1;
    co_await tell(link, {{"op", "tell"}});
  }
  co_await runtime::within(reactor_, tell_limit, all_told(links));
}

Task<telemetry::Samples> Generations::counted() {
  co_await ask_all();
  auto sum = ended_;
  for (const auto& link : links_) sum.merge(link->older.counted);
  co_return sum;
}

Task<std::vector<Generation>> Generations::status() {
  co_await ask_all();
  std::vector<Generation> list;
  for (const auto& link : links_) list.push_back(link->older.generation);
  co_return list;
}

Relieved Generations::give_up() {
  scope_.cancel();
  Relieved all{{}, std::exchange(ended_, {})};
  for (const auto& link : links_) all.older.push_back(std::move(link->older));
  links_.clear();
  return all;
}

}  // namespace weft::proxy
