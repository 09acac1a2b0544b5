// The table of exchange strategies.
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

struct Strategy {
  std::string_view name;
  std::unique_ptr<Exchange> (*make)(const ExchangeParts& parts);
};

constexpr Strategy kStrategies[] = {
    {"allreduce", make_allreduce_exchange},
};

}  // namespace

std::unique_ptr<Exchange> make_exchange(const ExchangeParts& parts) {
  std::string known;
  for (const Strategy& strategy : kStrategies) {
    if (strategy.name == parts.options.kind) return strategy.make(parts);
    known += text(known.empty() ? "" : ", ", strategy.name);
  }
  throw InvalidArgument(text("unknown exchange '", parts.options.kind, "'; known: ", known));
}

}  // namespace tutti::trainer
