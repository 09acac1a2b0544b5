#include "tools/doctor/facts.hpp"

#include <nlohmann/json.hpp>

#include <type_traits>

namespace tutti::tools::doctor {
namespace {

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
void read(const nlohmann::json& json, T& value);

template <class T>
nlohmann::json written(const T& value) {
  if constexpr (std::is_same_v<T, FolderFacts> || std::is_same_v<T, RankFacts>) {
    nlohmann::json json;
    visit_fields(value, [&](const char* name, const auto& field) { json[name] = written(field); });
    return json;
  } else if constexpr (kIsOptional<T>) {
    return value ? written(*value) : nlohmann::json();
  } else {
    return value;
  }
}

template <class T>
void read(const nlohmann::json& json, T& value) {
  if constexpr (std::is_same_v<T, FolderFacts> || std::is_same_v<T, RankFacts>) {
    visit_fields(value, [&](const char* name, auto& field) { read(json.at(name), field); });
  } else if constexpr (kIsOptional<T>) {
    value.reset();
    if (!json.is_null()) read(json, value.emplace());
  } else {
    json.get_to(value);
  }
}

}  // namespace

nlohmann::json to_json(const RankFacts& facts) { return written(facts); }

RankFacts rank_facts_of(const nlohmann::json& json) {
  RankFacts facts;
  read(json, facts);
  return facts;
}

}  // namespace tutti::tools::doctor
