// Schema's visitors that encode a struct to JSON and that list its fields.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/config_schema.h"
#include "model/reader.h"
#include "model/route_schema.h"

namespace weft::model {

template <class T>
base::Json write_value(const T& value);

/// Leaves out fields that have the value of a fresh struct, unless they are required.
template <class T>
class StructWriter {
 public:
  StructWriter(const T& value, base::Json& out) : value_(value), out_(out) {}

  template <class M, class Rule = AnyValue>
  void field(std::string_view name, M T::* member, Rule = {}) {
    if (value_.*member != fresh_.*member) out_[std::string(name)] = write_value(value_.*member);
  }
  template <class M, class Rule = AnyValue>
  void required(std::string_view name, M T::* member, Rule = {}) {
    out_[std::string(name)] = write_value(value_.*member);
  }
  void kept(std::initializer_list<std::string_view>) {}
  void ignored(std::initializer_list<std::string_view>) {}

 private:
  const T& value_;
  const T fresh_{};
  base::Json& out_;
};

template <class T>
base::Json write_value(const T& value) {
  if constexpr (std::is_same_v<T, base::Duration>) {
    return base::format_duration(value);
  } else if constexpr (std::is_same_v<T, IntOrString>) {
    return value.number() ? base::Json(*value.number()) : base::Json(*value.name());
  } else if constexpr (std::is_same_v<T, Account>) {
    const bool is_number = value.text.find_first_not_of("0123456789") == std::string::npos;
    return is_number ? base::Json(std::stoll(value.text)) : base::Json(value.text);
  } else if constexpr (std::is_same_v<T, IntOrPercent>) {
    return value.is_percent ? base::Json(value.to_string()) : base::Json(value.amount);
  } else if constexpr (HasNames<T>) {
    for (const auto& [name, known] : EnumNames<T>::values)
      if (known == value) return std::string(name);
    return nullptr;
  } else if constexpr (HasSchema<T>) {
    base::Json object = base::Json::object();
    StructWriter<T> writer(value, object);
    Schema<T>::fields(writer);
    return object;
  } else if constexpr (requires { value.has_value(); }) {
    return value ? write_value(*value) : base::Json(nullptr);
  } else if constexpr (requires { value.push_back(value.front()); } || requires { value.capacity(); }) {
    if constexpr (std::is_same_v<T, std::string>) {
      return value;
    } else {
      base::Json list = base::Json::array();
      for (const auto& item : value) list.push_back(write_value(item));
      return list;
    }
  } else {
    return value;
  }
}

/// The struct behind a list or an optional.
template <class M>
struct ItemOf {
  using Type = M;
  static constexpr std::string_view mark = ".";
};
template <class M>
struct ItemOf<std::vector<M>> {
  using Type = M;
  static constexpr std::string_view mark = "[].";
};
template <class M>
struct ItemOf<std::optional<M>> {
  using Type = M;
  static constexpr std::string_view mark = ".";
};

/// Collects the paths of all fields.
template <class T>
class FieldLister {
 public:
  FieldLister(std::string prefix, bool acted_on_only, std::vector<std::string>& out)
      : prefix_(std::move(prefix)), acted_on_only_(acted_on_only), out_(out) {}

  template <class M, class Rule = AnyValue>
  void field(std::string_view name, M T::*, Rule = {}) {
    using Item = typename ItemOf<M>::Type;
    out_.push_back(prefix_ + std::string(name));
    if constexpr (HasSchema<Item>) {
      FieldLister<Item> lister(out_.back() + std::string(ItemOf<M>::mark), acted_on_only_, out_);
      Schema<Item>::fields(lister);
    }
  }
  template <class M, class Rule = AnyValue>
  void required(std::string_view name, M T::* member, Rule rule = {}) {
    field(name, member, rule);
  }
  void kept(std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) out_.push_back(prefix_ + std::string(name));
  }
  void ignored(std::initializer_list<std::string_view> names) {
    if (!acted_on_only_) kept(names);
  }

 private:
  std::string prefix_;
  bool acted_on_only_;
  std::vector<std::string>& out_;
};

}  // namespace weft::model
