#include "runtime/scope.h"

#include "runtime/combine.h"

namespace weft::runtime {

void Scope::spawn(Task<void> task) {
  auto self = children_.emplace(children_.end(), *this);
  self->self = self;
  self->running = Running(std::move(task), *self);
  self->running.start();
}

void Scope::Child::wake() {
  auto& owner = scope;
  owner.children_.erase(self);  // destroys this child and its frame
  if (owner.children_.empty()) owner.empty_.notify();
}

Task<void> Scope::join() {
  while (!children_.empty()) co_await Wait(empty_);
}

}  // namespace weft::runtime
