// The table of exchange strategies.
#include <tutti/trainer/exchange/exchange.hpp>

#include <string_view>

#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

struct Strategy {
  std::string_view name;
  std::unique_ptr<Exchange> (*make)(const ExchangeParts& parts);
  bool shards;  ///< every rank owns a part of each bucket
};

constexpr Strategy kStrategies[] = {
    {"allreduce", make_allreduce_exchange, false},
    {"sharded", make_sharded_exchange, true},
};

}  // namespace

std::unique_ptr<Exchange> make_exchange(const ExchangeParts& parts) {
  return row_named(kStrategies, "exchange", parts.options.kind).make(parts);
}

Ownership ownership_of(const ExchangeOptions& options, const Communicator& comm) {
  if (!row_named(kStrategies, "exchange", options.kind).shards) return {};
  return {.rank = comm.rank(), .ranks = comm.size()};
}

std::span<const std::string_view> exchange_names() noexcept {
  static constexpr auto kNames = names_of(kStrategies);
  return kNames;
}

}  // namespace tutti::trainer
