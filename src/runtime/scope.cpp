#include "runtime/scope.h"

#include "runtime/combine.h"

namespace weft::runtime {

void Scope::spawn(Task<void> task) {
  auto* child = new Child(*this, std::move(task));
  children_.push_back(*child);
  ++size_;
  child->running.start();
}

void Scope::drop(Child& child) {
  children_.erase(child);
  --size_;
  delete &child;
}

void Scope::Child::wake() {
  auto& owner = scope;
  owner.drop(*this);
  if (owner.children_.empty()) owner.empty_.notify();
}

Task<void> Scope::join() {
  while (!children_.empty()) co_await Wait(empty_);
}

}  // namespace weft::runtime
