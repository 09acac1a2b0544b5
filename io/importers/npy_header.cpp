#include <tutti/io/importers/npy_header.hpp>

#include <fmt/core.h>

#include <charconv>
#include <set>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& place) : rest_(text), place_(place) {}

  NpyHeader parse() {
    expect('{');
    while (!taken('}')) {
      const std::string key = string();
      if (!keys_.insert(key).second) fail(fmt::format("has the key '{}' twice", printable(key)));
      expect(':');
      value_of(key);
      if (!taken(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) fail("has other characters after its end");
    for (const char* key : {"descr", "fortran_order", "shape"})
      if (keys_.count(key) == 0) fail(fmt::format("has no key '{}'", key));
    return header_;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: its NPY header {}", place_, what));
  }

  void skip_space() {
    const std::size_t begin = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(begin == std::string_view::npos ? rest_.size() : begin);
  }

  bool taken(char wanted) {
    skip_space();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!taken(wanted))
      fail(fmt::format("is no dictionary as NumPy writes it: '{}' is missing before \"{}\"", wanted,
                       printable(rest_.substr(0, 20))));
  }

  std::string string() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '\'' && quote != '"') expect('\'');
    rest_.remove_prefix(1);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) fail("has a text without an end");
    std::string value(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return value;
  }

  void value_of(const std::string& key) {
    if (key == "descr") {
      skip_space();
      if (!rest_.empty() && rest_.front() == '[')
        throw DataError(
            fmt::format("{}: has records of several fields (a structured dtype); save each as an array", place_));
      element_type(string());
    } else if (key == "fortran_order") {
      header_.fortran_order = boolean();
    } else if (key == "shape") {
      shape();
    } else {
      fail(fmt::format("has the unknown key '{}'", printable(key)));
    }
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (rest_.substr(0, word.size()) != word) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    fail("has a fortran_order that is neither True nor False");
  }

  // "(3,)", "(3, 4)", "()"; Python 2 writes 3L.
  void shape() {
    expect('(');
    while (!taken(')')) {
      skip_space();
      std::uint64_t extent = 0;
      const auto [end, status] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (status != std::errc{}) fail("has a shape that is not made of numbers");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      taken('L');
      header_.shape.push_back(extent);
      if (!taken(',')) {
        expect(')');
        break;
      }
    }
  }

  void element_type(const std::string& descr) {
    struct Known {
      std::string_view name;
      DType dtype;
    };
    static constexpr Known kKnown[] = {{"f2", DType::f16}, {"f4", DType::f32}, {"f8", DType::f64}, {"i1", DType::i8},
                                       {"i2", DType::i16}, {"i4", DType::i32}, {"i8", DType::i64}, {"u1", DType::u8},
                                       {"u2", DType::u16}, {"u4", DType::u32}, {"u8", DType::u64}, {"b1", DType::u8}};
    std::string_view name = descr;
    if (!name.empty() && std::string_view("<>|=").find(name.front()) != std::string_view::npos) name.remove_prefix(1);
    if (name == "O")
      throw DataError(
          fmt::format("{}: holds Python objects (a pickle), which are not read; save an array of numbers", place_));
    for (const Known& known : kKnown)
      if (known.name == name) {
        header_.dtype = known.dtype;
        header_.big_endian = descr.front() == '>';
        return;
      }
    throw DataError(fmt::format("{}: has elements of type '{}'; known are f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 and b1",
                                place_, printable(descr)));
  }

  std::string_view rest_;
  const std::string& place_;
  NpyHeader header_;
  std::set<std::string> keys_;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& place) {
  return HeaderParser(text, place).parse();
}

}  // namespace tutti::io
