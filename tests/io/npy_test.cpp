// The importer of NumPy's arrays: every element type, byte and element order, NPZ files, and headers that lie.
#include <tutti/io/importers/npy.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <tutti/io/importers/zip.hpp>

#include "tests/io/importer_support.hpp"

namespace tutti::io::test {
namespace {

std::string npy_of(const std::string& header, const std::string& data, char version = 1) {
  std::string file = std::string("\x93NUMPY") + version + '\0';
  file +=
      version == 1 ? raw(static_cast<std::uint16_t>(header.size())) : raw(static_cast<std::uint32_t>(header.size()));
  return file + header + data;
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data, bool fortran = false) {
  return npy_of("{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" + shape +
                    "), }          \n",
                data);
}

struct Member {
  std::string name;
  std::string content;
  bool deflated = false;
  bool large = false;  // sizes in the extra field of the extension for large files
};

std::string deflated(const std::string& content) {
  const std::string gz = gzipped(content);
  return gz.substr(10, gz.size() - 18);
}

std::string zip(const std::vector<Member>& members, const std::string& comment = "") {
  std::string file;
  std::string directory;
  for (const Member& m : members) {
    const std::string stored = m.deflated ? deflated(m.content) : m.content;
    const auto crc = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(m.content.data()), static_cast<uInt>(m.content.size())));
    const std::uint32_t open = 0xffffffff;
    const auto size = m.large ? open : static_cast<std::uint32_t>(m.content.size());
    const auto packed = m.large ? open : static_cast<std::uint32_t>(stored.size());
    std::string extra;
    if (m.large)
      extra = raw<std::uint16_t>(1) + raw<std::uint16_t>(16) + raw<std::uint64_t>(m.content.size()) +
              raw<std::uint64_t>(stored.size());
    const std::string common = raw<std::uint16_t>(m.deflated ? 8 : 0) + raw<std::uint32_t>(0x00210000) + raw(crc) +
                               raw(packed) + raw(size) + raw(static_cast<std::uint16_t>(m.name.size()));
    directory += "PK\1\2" + raw<std::uint16_t>(20) + raw<std::uint16_t>(20) + raw<std::uint16_t>(0) + common +
                 raw(static_cast<std::uint16_t>(extra.size())) + std::string(10, '\0') +
                 raw(static_cast<std::uint32_t>(file.size())) + m.name + extra;
    const std::string own_extra = raw<std::uint16_t>(0x9999) + raw<std::uint16_t>(3) + "abc";
    file += "PK\3\4" + raw<std::uint16_t>(20) + raw<std::uint16_t>(0) + common +
            raw(static_cast<std::uint16_t>(own_extra.size())) + m.name + own_extra + stored;
  }
  const auto count = static_cast<std::uint16_t>(members.size());
  return file + directory + "PK\5\6" + std::string(4, '\0') + raw(count) + raw(count) +
         raw(static_cast<std::uint32_t>(directory.size())) + raw(static_cast<std::uint32_t>(file.size())) +
         raw(static_cast<std::uint16_t>(comment.size())) + comment;
}

class NpyTest : public ImporterTest {
 protected:
  static Make opener(NpyFiles files) {
    return [files] { return open_npy(files); };
  }
  static Make one(const fs::path& file) { return opener({.arrays = {{"x", file.string()}}}); }
};

// As NumPy 1.24 writes three f4.
TEST_F(NpyTest, TheBytesOfNumPy) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  header.resize(0x75, ' ');
  const std::string file = npy_of(header + "\n", raw(std::vector<float>{1, 2, 3}));
  ASSERT_EQ(file.size(), 140U);
  ASSERT_EQ(file.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  const Dataset dataset = import(one(write("x.npy", file)));
  EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", DType::f32, {}}}));
  EXPECT_EQ(content(dataset, "x"), raw(std::vector<float>{1, 2, 3}));
}

TEST_F(NpyTest, EveryElementTypeInBothByteOrders) {
  const std::vector<std::pair<std::string, DType>> types{{"f2", DType::f16}, {"f4", DType::f32}, {"f8", DType::f64},
                                                         {"i1", DType::i8},  {"i2", DType::i16}, {"i4", DType::i32},
                                                         {"i8", DType::i64}, {"u1", DType::u8},  {"u2", DType::u16},
                                                         {"u4", DType::u32}, {"u8", DType::u64}, {"b1", DType::u8}};
  for (const auto& [name, dtype] : types)
    for (const char order : {'<', '>', '='}) {
      SCOPED_TRACE(order + name);
      const std::size_t size = size_of(dtype);
      std::string values(size * 5 * 6, '\0');
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<char>(i * 11 + 3);
      std::string stored = values;
      if (order == '>')
        for (std::size_t i = 0; i < stored.size(); i += size)
          std::reverse(stored.begin() + static_cast<std::ptrdiff_t>(i),
                       stored.begin() + static_cast<std::ptrdiff_t>(i + size));
      const Dataset dataset = import(one(write("x.npy", npy(order + name, "5, 2,3", stored))));
      EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", dtype, {2, 3}}}));
      EXPECT_EQ(content(dataset, "x"), values);
    }
}

// 7 samples of {3, 4, 2}, the first dimension fastest in the file.
TEST_F(NpyTest, FortranOrder) {
  constexpr std::size_t kPictures = 7;
  std::vector<std::uint16_t> c_order(kPictures * 24);
  std::vector<std::uint16_t> fortran(c_order.size());
  for (std::size_t n = 0; n < kPictures; ++n)
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 4; ++j)
        for (std::size_t k = 0; k < 2; ++k) {
          const auto value = static_cast<std::uint16_t>(1000 * n + 100 * i + 10 * j + k);
          c_order[((n * 3 + i) * 4 + j) * 2 + k] = value;
          fortran[n + kPictures * (i + 3 * (j + 4 * k))] = value;
        }
  const std::string file = npy("<u2", "7, 3, 4, 2", raw(fortran), true);
  const fs::path plain = write("plain.npy", file);
  const fs::path gz = write("x.npy.gz", gzipped(file));
  const fs::path archive = write("x.npz", zip({{"x.npy", file, true}}));
  for (const Make& make : {one(plain), one(gz), opener({.npz = archive})}) {
    const Dataset dataset = import(make);
    EXPECT_EQ(dataset.fields()[0].shape, (std::vector<std::size_t>{3, 4, 2}));
    EXPECT_EQ(content(dataset, "x"), raw(c_order));
    for (const std::uint64_t first : {1U, 5U, 7U})
      EXPECT_EQ(read_from(*make(), first, 0), raw(c_order).substr(first * 48)) << first;
  }
  for (const std::string& wrong : {file + "x", gzipped(file + "x")})
    expect_parts(error(one(write("long.npy", wrong))), {"long.npy", "longer than its header says"});
  const std::string cut = file.substr(0, file.size() - 1);
  for (const std::string& wrong : {cut, gzipped(cut)})
    expect_parts(error(one(write("cut.npy", wrong))), {"cut.npy", "truncated"});
}

TEST_F(NpyTest, LabelsOfAnyIntegerType) {
  const fs::path x = write("x.npy", npy("<f4", "4,", raw(std::vector<float>{1, 2, 3, 4})));
  const fs::path y = write("y.npy", npy(">u2", "4, 1", std::string("\0\3\0\0\0\1\0\2", 8)));
  const NpyFiles files{.arrays = {{"image", x.string()}, {"label", y.string()}}};
  const Dataset dataset = import(opener(files));
  EXPECT_EQ(dataset.fields()[1], (Field{"label", DType::i64, {}}));
  EXPECT_EQ(dataset.classes(), 4U);
  EXPECT_EQ(labels(dataset), (std::vector<std::int64_t>{3, 0, 1, 2}));
  write("y.npy", npy("<i4", "4,", raw(std::vector<std::int32_t>{0, 1, -5, 2})));
  expect_parts(error(opener(files)), {y.string(), "sample 2", "label -5"});
  write("y.npy", npy("<u8", "4,", raw(std::vector<std::uint64_t>{0, ~0ULL, 1, 1})));
  expect_parts(error(opener(files)), {y.string(), "sample 1", "label 18446744073709551615"});
  write("y.npy", npy("<f4", "4,", raw(std::vector<float>{1, 2, 3, 4})));  // numbers to be predicted
  expect_parts(error(opener(files)), {y.string(), "'label' is for class labels", "it is f32 {}", "name it otherwise"});
  EXPECT_EQ(import(opener({.arrays = {{"image", x.string()}, {"target", y.string()}}})).classes(), 0U);
  write("y.npy", npy("<i4", "4, 2", raw(std::vector<std::int32_t>(8, 1))));
  expect_parts(error(opener(files)), {y.string(), "it is i32 {2}"});
  write("y.npy", npy("<i4", "3,", raw(std::vector<std::int32_t>{0, 1, 2})));
  expect_parts(error(opener(files)), {y.string(), "holds 3 samples", x.string(), "holds 4"});
}

TEST_F(NpyTest, HeadersAsOthersWriteThem) {
  const std::string data = raw(std::vector<std::int32_t>{5, 6});
  for (const std::string& file :
       {npy_of("{'shape': (2L, 1L), 'fortran_order': False, 'descr': '<i4'}", data),
        npy_of("  {\"descr\" :\"<i4\",\n'shape':( 2 ,1 , ) ,'fortran_order':True,}", data, 2),
        npy_of("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }" + std::string(70000, ' ') + "\n", data,
               3)})
    EXPECT_EQ(content(import(one(write("x.npy", file))), "x"), data);
}

TEST_F(NpyTest, FilesThatAreNotWhatTheySay) {
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    for (const bool compressed : {false, true}) {
      const fs::path file = write("f.npy", compressed ? gzipped(content) : content);
      std::vector<std::string> all = parts;
      all.push_back(file.string());
      expect_parts(error(one(file)), all);
    }
  };
  const std::string four(16, 'a');
  const std::string good = npy("<f4", "4,", four);
  refused("", {"is empty"});
  refused("\x93NUM", {"not an NPY file"});
  refused("PK\3\4 and so on", {"not an NPY file", "--npz"});
  refused(good.substr(0, 9), {"truncated within its header"});
  refused(good.substr(0, 40), {"truncated within its header"});
  refused(good.substr(0, good.size() - 1), {"truncated"});
  refused(good + "x", {"longer than its header says"});
  refused(npy_of("{}", four, 4), {"NPY of version 4"});
  refused(npy("<f4", "", "abcd"), {"is a scalar"});
  refused(npy("<f4", "0, 3", ""), {"no samples"});
  refused(npy("<f4", "3, 0", ""), {"dimension 1 is 0"});
  refused(npy("|O", "4,", four), {"Python objects"});
  refused(npy("<c8", "2,", four), {"type '<c8'"});
  refused(npy("<U2", "2,", four), {"type '<U2'"});
  refused(npy("|V2", "8,", four), {"type '|V2'"});
  refused(npy_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", four), {"structured dtype"});
  refused(npy_of("{'descr': '<f4', 'shape': (4,), }", four), {"no key 'fortran_order'"});
  refused(npy_of("{'descr': '<f4', 'descr': '<f4', }", four), {"'descr' twice"});
  refused(npy_of("{'descr': '<f4', 'x': 1}", four), {"unknown key 'x'"});
  refused(npy_of("{'descr': '<f4', 'fortran_order': 1, 'shape': (4,)}", four), {"neither True nor False"});
  refused(npy_of("{'descr': '<f4", four), {"text without an end"});
  refused(npy_of("['descr']", four), {"'{' is missing"});
  refused(npy("<f4", "-4,", four), {"not made of numbers"});
  refused(npy("<f4", "99999999999999999999,", four), {"not made of numbers"});
  refused(npy("<f4", "4000000000,", four), {"truncated"});
  refused(npy("<f4", "1, 4294967295, 4294967295", four), {"samples of more than"});
  refused(npy("<f4", "1, 900000000", four), {"truncated"});
  refused(npy("<f4", "18446744073709551615, 1073741824", four, true), {"truncated"});
  refused(npy_of(std::string(3 << 20, ' '), four, 2), {"header of 3145728 bytes"});
}

TEST_F(NpyTest, ArchivesStoredAndDeflated) {
  const std::string x = npy("<u1", "300, 100", std::string(30000, 'x'));
  std::string y(300 * 8, '\0');
  for (std::size_t i = 0; i < 300; ++i) y[i * 8] = static_cast<char>(i % 5);
  for (const bool deflate : {false, true})
    for (const bool large : {false, true}) {
      const fs::path file =
          write("d.npz",
                zip({{"x.npy", x, deflate, large}, {"label.npy", npy("<i8", "300,", y), deflate, large}}, "a comment"));
      Dataset dataset = import(opener({.npz = file}));
      EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", DType::u8, {100}}, {"label", DType::i64, {}}}));
      EXPECT_EQ(content(dataset, "label"), y);
      EXPECT_EQ(content(dataset, "x"), std::string(30000, 'x'));
      dataset = import(opener({.npz = file, .arrays = {{"image", "x"}}}));
      EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, {100}}}));
      EXPECT_EQ(read_from(*open_npy({.npz = file}), 299, 1), y.substr(299 * 8));
    }
  expect_parts(error(opener({.npz = path("d.npz"), .arrays = {{"image", "lable"}}})),
               {path("d.npz").string(), "unknown array 'lable'", "did you mean 'label'"});
}

TEST_F(NpyTest, ArchivesThatAreDamaged) {
  const std::string x = npy("<u1", "3, 100", std::string(200, 'x') + std::string(100, 'y'));
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    const fs::path file = write("d.npz", content);
    std::vector<std::string> all = parts;
    all.push_back(file.string());
    expect_parts(error(opener({.npz = file})), all);
  };
  const auto changed = [](std::string file, std::size_t at, const std::string& by) {
    return file.replace(at, by.size(), by);
  };
  const std::string stored = zip({{"x.npy", x}});
  const std::string packed = zip({{"x.npy", x, true}});
  refused("", {"no end record"});
  refused(x, {"not a zip archive"});
  refused(stored.substr(0, stored.size() - 1), {"no end record"});
  const std::size_t entry = stored.find("PK\1\2");
  const std::size_t packed_entry = packed.find("PK\1\2");
  refused(changed(stored, entry - 1, "z"), {"member 'x.npy' is damaged: its CRC-32 is"});
  refused(changed(packed, packed_entry + 16, "abcd"), {"CRC-32", "64636261"});
  refused(changed(packed, packed_entry - 8, "\xff\xff\xff"), {"member 'x.npy'"});
  refused(changed(stored, entry, "QQ"), {"entry 0 of its directory"});
  refused(changed(stored, entry + 8, "\1"), {"is encrypted"});
  refused(changed(stored, entry + 10, "\x0c"), {"method 12"});
  refused(changed(stored, entry + 20, raw<std::uint32_t>(1)), {"another size than its own"});
  refused(changed(packed, packed_entry + 24, raw<std::uint32_t>(0xfffffff0)), {"more bytes than it can hold"});
  refused(changed(packed, packed_entry + 24, raw(static_cast<std::uint32_t>(x.size() - 1))), {"x.npy"});
  refused(changed(packed, packed_entry + 24, raw(static_cast<std::uint32_t>(x.size() + 1))), {"x.npy"});
  refused(changed(stored, entry + 42, raw<std::uint32_t>(0x7fffffff)), {"lies outside"});
  refused(changed(stored, entry + 42, raw<std::uint32_t>(5)), {"x.npy"});
  refused(zip({{"x.npy", x}, {"x.npy", x}}), {"'x.npy' is there twice"});
  refused(zip({}), {"holds no arrays"});
  refused(zip({{"readme.txt", "hello"}}), {"member 'readme.txt'", "not an NPY file"});
}

TEST_F(NpyTest, FilesOfPythonsNumPy) {
  if (!run_python("numpy", R"(
import numpy as np
x = (np.arange(60 * 12).reshape(60, 3, 4) / 3).astype('f4')
y = (np.arange(60) % 6).astype('u1')
np.save('x.npy', x)
np.save('big.npy', x.astype('>f4'))
np.save('fortran.npy', np.asfortranarray(x))
np.savez('stored.npz', x=x, label=y)
np.savez_compressed('packed.npz', x=np.asfortranarray(x), label=y)
)",
                  temporary_.path()))
    GTEST_SKIP() << "the package python3-numpy is needed";
  std::vector<float> x;
  for (int i = 0; i < 60 * 12; ++i) x.push_back(static_cast<float>(i / 3.0));
  for (const char* file : {"x.npy", "big.npy", "fortran.npy"})
    EXPECT_EQ(content(import(one(path(file))), "x"), raw(x)) << file;
  for (const char* file : {"stored.npz", "packed.npz"}) {
    const Dataset dataset = import(opener({.npz = path(file)}));
    EXPECT_EQ(content(dataset, "x"), raw(x)) << file;
    EXPECT_EQ(dataset.classes(), 6U);
  }
}

}  // namespace
}  // namespace tutti::io::test
