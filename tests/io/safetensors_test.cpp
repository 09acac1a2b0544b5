// Files of safetensors: bytes as the format has them, and a reader that trusts none of them.
#include <tutti/io/safetensors.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

/// A file of this header and data.
std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  std::string file(sizeof(size), '\0');
  std::memcpy(file.data(), &size, sizeof(size));
  return file + header + data;
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

Safetensors parse(const std::string& file) { return parse_safetensors(std::as_bytes(std::span(file)), "x"); }

/// What is wrong with a file, without its name.
std::string error_of(const std::string& file) {
  const std::string message = message_of([&] { parse(file); });
  EXPECT_TRUE(message.starts_with("x: ")) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message.substr(std::min(message.size(), std::size_t{3}));
}

std::string error_of(const std::string& header, const std::string& data) { return error_of(file_of(header, data)); }

NamedTensor tensor(std::string name, DType dtype, std::vector<std::size_t> shape) {
  std::size_t bytes = size_of(dtype);
  for (const std::size_t extent : shape) bytes *= extent;
  NamedTensor made{std::move(name), dtype, std::move(shape), std::vector<std::byte>(bytes)};
  for (std::size_t i = 0; i < bytes; ++i) made.bytes[i] = static_cast<std::byte>(i * 29 + 1);
  return made;
}

// A file of the reference implementation.
const std::string kKnownHeader =
    R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
    R"("b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}} )";

TEST(Safetensors, KnownBytesAreRead) {
  const std::string file = file_of(kKnownHeader, bytes_of({1, 2, 3, 4, 5, 6}));
  ASSERT_EQ(file.size(), 176U);
  ASSERT_EQ(file.substr(0, 8), std::string("\x90\0\0\0\0\0\0\0", 8));
  const Safetensors content = parse(file);
  EXPECT_EQ(content.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(content.tensors.size(), 2U);
  EXPECT_EQ(content.tensors[0].name, "w");
  EXPECT_EQ(content.tensors[0].dtype, DType::f32);
  EXPECT_EQ(content.tensors[0].shape, (std::vector<std::size_t>{2, 2}));
  EXPECT_EQ(std::memcmp(content.tensors[0].bytes.data(), std::array<float, 4>{1, 2, 3, 4}.data(), 16), 0);
  EXPECT_EQ(content.tensors[1].name, "b");
  EXPECT_EQ(std::memcmp(content.tensors[1].bytes.data(), std::array<float, 2>{5, 6}.data(), 8), 0);
}

TEST(Safetensors, AreWrittenSortedAndAligned) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x.safetensors";
  Safetensors content = parse(file_of(kKnownHeader, bytes_of({1, 2, 3, 4, 5, 6})));
  write_safetensors(file, content);
  const std::vector<char> bytes = read_bytes(file);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()),
            file_of(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                    R"("w":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]}}   )",
                    bytes_of({5, 6, 1, 2, 3, 4})));
  EXPECT_EQ(files_in(folder.path()), (std::vector<std::string>{"x.safetensors"}));
}

TEST(Safetensors, EveryTypeAndNameComesBack) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x.safetensors";
  Safetensors content{.metadata = {{"note", "größer \"\\ \n"}, {"", ""}}, .tensors = {}};
  for (const DType dtype : kAllDTypes) content.tensors.push_back(tensor(std::string(name(dtype)), dtype, {3, 1, 5}));
  content.tensors.push_back(tensor("empty", DType::f64, {0, 7}));
  content.tensors.push_back(tensor("scalar", DType::i64, {}));
  content.tensors.push_back(tensor("with \"quotes\" and ü", DType::u8, {1}));
  write_safetensors(file, content);
  const Safetensors found = read_safetensors(file);
  EXPECT_EQ(found.metadata, content.metadata);
  ASSERT_EQ(found.tensors.size(), content.tensors.size());
  std::size_t last_size = 8;
  for (const NamedTensor& its : found.tensors) {
    EXPECT_LE(size_of(its.dtype), last_size) << its.name << ": not aligned";
    last_size = size_of(its.dtype);
    for (const NamedTensor& ours : content.tensors) {
      if (ours.name != its.name) continue;
      EXPECT_EQ(its.dtype, ours.dtype) << its.name;
      EXPECT_EQ(its.shape, ours.shape) << its.name;
      EXPECT_EQ(its.bytes, ours.bytes) << its.name;
    }
  }
  write_safetensors(file, {});
  EXPECT_TRUE(read_safetensors(file).tensors.empty());
  write_safetensors(file, {.metadata = {{"a", "b"}}, .tensors = {}});
  EXPECT_EQ(read_safetensors(file).metadata.at("a"), "b");
}

TEST(Safetensors, DataNeedNotBeAligned) {
  const Safetensors content = parse(file_of(R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},)"
                                            R"("b":{"dtype":"F64","shape":[],"data_offsets":[1,9]}})",
                                            "\1abcdefgh"));
  EXPECT_EQ(content.tensors[0].dtype, DType::u8);
  EXPECT_EQ(std::memcmp(content.tensors[1].bytes.data(), "abcdefgh", 8), 0);
}

TEST(Safetensors, EveryWrongBoundHasItsError) {
  const auto one = [](const std::string& entry) { return R"({"a":)" + entry + "}"; };
  const auto with = [&](const std::string& shape, const std::string& offsets) {
    return one(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}");
  };
  EXPECT_EQ(error_of(""), "not a safetensors file: it has 0 bytes, the size of the header alone takes 8");
  EXPECT_EQ(error_of("1234567"), "not a safetensors file: it has 7 bytes, the size of the header alone takes 8");
  EXPECT_EQ(error_of(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}")),
            "not a safetensors file: its header would have 18446744073709551615 bytes, 100000000 are allowed");
  EXPECT_EQ(error_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
            "cut off, or not a safetensors file: its header has 3 bytes, 2 are there");
  EXPECT_EQ(error_of("", ""), "not a safetensors file: its header does not begin with '{'");
  EXPECT_EQ(error_of(" {}", ""), "not a safetensors file: its header does not begin with '{'");
  EXPECT_NE(error_of("{]", "").find("the header is not JSON: "), std::string::npos);
  EXPECT_EQ(error_of(std::string("{}\0", 3), ""), "the header is not JSON: it has a byte 0");
  EXPECT_NE(error_of("{\"a\xff\":1}", "").find("the header is not JSON: "), std::string::npos);
  EXPECT_EQ(error_of(one("[[[[1]]]]"), ""), "the header has more than 3 objects or lists in each other");
  EXPECT_EQ(error_of(R"({"a":1,"a":1})", ""), "the header has 'a' twice");
  EXPECT_EQ(error_of(R"({"__metadata__":[]})", ""), "__metadata__ is not an object of texts");
  EXPECT_EQ(error_of(R"({"__metadata__":{"a":1}})", ""), "__metadata__: 'a' is not a text");
  EXPECT_EQ(error_of(one("1"), ""), "tensor 'a' is not described by an object");
  EXPECT_EQ(error_of(one("{}"), ""), "tensor 'a' has no dtype");
  EXPECT_EQ(error_of(one(R"({"dtype":"F8_E4M3"})"), ""), "tensor 'a' is of type F8_E4M3, which cannot be read");
  EXPECT_EQ(error_of(one(R"({"dtype":"F32"})"), ""), "tensor 'a' has no list shape");
  EXPECT_EQ(error_of(one(R"({"dtype":"F32","shape":[]})"), ""), "tensor 'a' has no list data_offsets");
  EXPECT_EQ(error_of(with("[-1]", "[0,4]"), "1234"), "tensor 'a': shape has -1, not a whole number");
  EXPECT_EQ(error_of(with("[1.0]", "[0,4]"), "1234"), "tensor 'a': shape has 1.0, not a whole number");
  EXPECT_EQ(error_of(with("[1]", "[0]"), "1234"), "tensor 'a': data_offsets has 1 numbers, not 2");
  EXPECT_EQ(error_of(with("[1]", "[0,4,4]"), "1234"), "tensor 'a': data_offsets has 3 numbers, not 2");
  EXPECT_EQ(error_of(with("[1]", "[4,0]"), "1234"), "tensor 'a': its bytes 4 to 0 are not within the 4 bytes of data");
  EXPECT_EQ(error_of(with("[2]", "[0,8]"), "1234"), "tensor 'a': its bytes 0 to 8 are not within the 4 bytes of data");
  EXPECT_EQ(error_of(with("[2]", "[0,4]"), "1234"), "tensor 'a': its shape needs 8 bytes, data_offsets gives it 4");
  // 2^62 elements of 4 bytes, and 2^32 times 2^32, are 0 in 64 bits.
  EXPECT_EQ(error_of(with("[4611686018427387904]", "[0,0]"), ""),
            "tensor 'a': its shape has more elements than can be counted");
  EXPECT_EQ(error_of(with("[4294967296,4294967296]", "[0,0]"), ""),
            "tensor 'a': its shape has more elements than can be counted");
  EXPECT_EQ(error_of(with("[1]", "[1,5]"), "12345"), "bytes 0 to 1 of the data, before tensor 'a', are of no tensor");
  EXPECT_EQ(error_of(with("[1]", "[0,4]"), "12345"), "the last 1 bytes of the data are of no tensor");
  EXPECT_EQ(error_of("{}", "1"), "the last 1 bytes of the data are of no tensor");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                     "1234"),
            "tensor 'b' overlaps another: it begins at byte 2");
}

// An extent of 0 makes no bytes, whatever the others are.
TEST(Safetensors, EmptyTensorsMayStandAnywhere) {
  const Safetensors content = parse(file_of(
      R"({"b":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[4,4]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"c":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
      "1234"));
  ASSERT_EQ(content.tensors.size(), 3U);
  EXPECT_EQ(content.tensors[0].name, "c");
  EXPECT_EQ(content.tensors[2].name, "b");
}

// Whatever is done to a file, it is read or refused in one line, and what is read fits its bytes.
TEST(Safetensors, DamagedHeadersAreReadOrRefused) {
  const std::string whole = file_of(kKnownHeader, bytes_of({1, 2, 3, 4, 5, 6}));
  std::size_t refused = 0;
  const auto expect_sound = [&](const std::string& file) {
    try {
      std::size_t bytes = 0;
      for (const NamedTensor& its : parse(file).tensors) {
        std::size_t count = size_of(its.dtype);
        for (const std::size_t extent : its.shape) count *= extent;
        ASSERT_EQ(its.bytes.size(), count);
        bytes += count;
      }
      ASSERT_LE(bytes, file.size());
    } catch (const DataError& error) {
      ++refused;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  };
  for (std::size_t size = 0; size < whole.size(); ++size) expect_sound(whole.substr(0, size));
  EXPECT_EQ(refused, whole.size()) << "a file cut off was read";
  const std::size_t head = 8 + kKnownHeader.size();
  for (std::size_t bit = 0; bit < head * 8; ++bit) {
    std::string file = whole;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    expect_sound(file);
  }
  for (std::size_t at = 8; at < head; ++at)
    for (const char c : {'{', '}', '[', ']', '"', ',', ':', '-', '9', '\\', '\0', '\n'}) {
      std::string file = whole;
      file[at] = c;
      expect_sound(file);
      file.insert(at, 1, c);
      expect_sound(file);
    }
  EXPECT_GT(refused, 2000U);
}

TEST(Safetensors, WhatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x.safetensors";
  const auto error = [&](std::vector<NamedTensor> tensors) {
    return message_of<InvalidArgument>(
        [&] { write_safetensors(file, {.metadata = {}, .tensors = std::move(tensors)}); });
  };
  EXPECT_EQ(error({tensor("a", DType::f32, {1}), tensor("a", DType::f64, {1})}), "tensor 'a' is there twice");
  EXPECT_EQ(error({tensor("__metadata__", DType::f32, {1})}), "a tensor cannot be called __metadata__");
  NamedTensor wrong = tensor("a", DType::f32, {1});
  wrong.bytes.resize(3);
  EXPECT_EQ(error({wrong}), "tensor 'a' has 3 bytes, which are not those of its shape");
  EXPECT_NE(error({tensor("\xff", DType::f32, {1})}).find("not valid UTF-8"), std::string::npos);
  EXPECT_TRUE(files_in(folder.path()).empty());
  const std::string nowhere =
      message_of([&] { write_safetensors(folder.path() / "no" / "x.safetensors", Safetensors{}); });
  expect_parts(nowhere, {(folder.path() / "no" / "x.safetensors").string(), "No such file or directory"});
  expect_parts(message_of([&] { read_safetensors(file); }), {file.string(), "No such file or directory"});
  expect_parts(message_of([&] { read_safetensors(folder.path()); }), {folder.path().string(), "Is a directory"});
}

}  // namespace
}  // namespace tutti::io::test
