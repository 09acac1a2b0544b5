// Reading a JSON file so that whatever is wrong with it is told with its line. The file is an object of scalars and
// objects; keys are named by the way to them: "node.latency".
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tutti::detail {

/// The keys of a file, to be taken one by one. All that it throws is DataError "FILE:LINE: what is wrong".
class JsonReader {
 public:
  /// `file` is the content's name in messages, and stays. \throws DataError if it is not JSON, not an object, holds an
  /// array, or a key twice.
  JsonReader(std::string_view content, const std::string& file);

  // \throws DataError if the key is missing or holds something else.
  const std::string& string(const std::string& key);
  bool boolean(const std::string& key);
  double number(const std::string& key);  ///< at least 0 and finite
  int integer(const std::string& key);    ///< at least 0
  void object(const std::string& key);

  /// \throws DataError if a key is left that has not been taken.
  void require_all_taken() const;

  /// \throws DataError with the line of a key that is there.
  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

  /// null, objects and arrays are monostate.
  using Scalar = std::variant<std::monostate, bool, double, std::string>;

  struct Entry {
    std::string key;
    int line = 0;
    Scalar value;
    std::string literal;  ///< a number as it is written
    bool object = false;
    bool taken = false;
  };

 private:
  std::vector<Entry>::const_iterator find(const std::string& key) const;
  const Entry& take(const std::string& key);
  template <class T>
  const T& get(const Entry& entry, const char* wanted) const;
  [[noreturn]] void be_told(const Entry& entry, const char* wanted) const;

  std::vector<Entry> entries_;
  const std::string& file_;
  int last_line_;
};

}  // namespace tutti::detail
