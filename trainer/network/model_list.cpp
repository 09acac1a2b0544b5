#include <tutti/trainer/network/model_list.hpp>

#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

namespace {

constexpr std::size_t kMostExtent = 1000000;

/// 11173962 as "11,173,962".
std::string grouped(std::uint64_t number) {
  const std::string digits = text(number);
  std::string grouped;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string padded(const std::string& content, std::size_t width, bool left) {
  const std::string space(content.size() < width ? width - content.size() : 0, ' ');
  return left ? content + space : space + content;
}

std::string line(std::string_view name, const std::string& parameters, const std::string& work,
                 const std::string& rest) {
  return text(padded(std::string(name), 10, true), padded(parameters, 14, false), padded(work, 18, false), "  ", rest,
              "\n");
}

}  // namespace

std::vector<std::size_t> extents_of(std::string_view shape) {
  std::vector<std::size_t> extents;
  for (std::string_view rest = shape; extents.empty() || !rest.empty();) {
    std::size_t extent = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), extent);
    const auto read = static_cast<std::size_t>(end - rest.data());
    const bool more = read < rest.size() && rest[read] == 'x' && read + 1 < rest.size();
    if (error != std::errc{} || extent == 0 || extent > kMostExtent || (read < rest.size() && !more))
      throw InvalidArgument(
          text("'", shape, "' is no shape: extents of 1 to ", kMostExtent, " with x between them, as in 3x32x32"));
    extents.push_back(extent);
    rest.remove_prefix(more ? read + 1 : read);
  }
  return extents;
}

std::string model_list(const std::vector<std::size_t>& input, std::size_t outputs, const ModelOptions& options) {
  std::string list = line("model", "parameters", "multiply-adds", "description");
  for (const Model& model : model_table()) {
    const ModelShape shape{.input = {input.begin(), input.end()}, .outputs = static_cast<std::int64_t>(outputs)};
    try {
      const ModelPlan plan = model.plan(shape, options);
      std::uint64_t parameters = 0;
      for (const ParameterInfo& parameter : plan.parameters) parameters += parameter.count();
      list += line(model.name, grouped(parameters), grouped(plan.multiply_adds()), std::string(model.description));
    } catch (const InvalidArgument& error) {
      list += line(model.name, "-", "-", text(model.description, "; here it ", error.what()));
    }
  }
  return list;
}

}  // namespace tutti::trainer
