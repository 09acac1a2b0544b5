// The importer of HDF5 files of other programs: layouts, types, virtual datasets, and what HDF5 would make up.
#include <tutti/io/importers/hdf5.hpp>

#include <gtest/gtest.h>
#include <hdf5.h>

#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>

#include "tests/io/foreign_hdf5.hpp"
#include "tests/io/importer_support.hpp"

namespace tutti::io::test {
namespace {

class Hdf5Test : public ForeignHdf5Test {
 protected:
  static Make opener(std::vector<fs::path> files, std::vector<Hdf5Files::Array> arrays) {
    return [=] { return open_hdf5({.files = files, .arrays = arrays}); };
  }

  std::vector<int> numbers() const {
    std::vector<int> values(60);
    std::iota(values.begin(), values.end(), -7);
    return values;
  }

  const std::vector<hsize_t> extents_{10, 2, 3};
};

TEST_F(Hdf5Test, EveryLayoutOverSeveralFiles) {
  const fs::path a = path("a.h5");
  const auto values = numbers();
  add_dataset(a, "/g/plain", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT);
  add_dataset(a, "/g/big", H5T_STD_I32BE, extents_, values.data(), H5T_NATIVE_INT, chunked({3, 2, 2}, true));
  add_dataset(a, "/g/compact", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT,
              [](hid_t p) { H5Pset_layout(p, H5D_COMPACT); });
  add_dataset(a, "/g/pieces", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT, chunked({10, 1, 1}));
  const fs::path b = path("b.h5");
  fs::copy(a, b);
  for (const char* name : {"/g/plain", "/g/big", "g/compact", "/g/pieces"}) {
    const Dataset dataset = import(opener({a, b}, {{"x", name}}));
    EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", DType::i32, {2, 3}}}));
    EXPECT_EQ(content(dataset, "x"), raw(values) + raw(values));
    for (const std::uint64_t first : {3U, 10U, 14U, 20U})
      EXPECT_EQ(read_from(*opener({a, b}, {{"x", name}})(), first, 0), (raw(values) + raw(values)).substr(first * 24))
          << first;
  }
}

TEST_F(Hdf5Test, EveryType) {
  const auto values = numbers();
  const fs::path file = path("a.h5");
  const std::vector<std::pair<hid_t, DType>> types{
      {H5T_STD_I8BE, DType::i8},    {H5T_STD_I16BE, DType::i16},  {H5T_STD_I32LE, DType::i32},
      {H5T_STD_I64BE, DType::i64},  {H5T_STD_U8LE, DType::u8},    {H5T_STD_U16LE, DType::u16},
      {H5T_STD_U32BE, DType::u32},  {H5T_STD_U64LE, DType::u64},  {H5T_IEEE_F32BE, DType::f32},
      {H5T_IEEE_F32LE, DType::f32}, {H5T_IEEE_F64BE, DType::f64}, {H5T_IEEE_F64LE, DType::f64}};
  for (std::size_t i = 0; i < types.size(); ++i) {
    const std::string name = "d" + std::to_string(i);
    add_dataset(file, name, types[i].first, {60}, values.data(), H5T_NATIVE_INT);
    const Dataset dataset = import(opener({file}, {{"x", name}}));
    EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", types[i].second, {}}}));
    const std::string found = content(dataset, "x");
    std::vector<char> expected(60 * 8);
    std::memcpy(expected.data(), values.data(), 60 * sizeof(int));
    const h5::Session session;
    H5Tconvert(H5T_NATIVE_INT, h5::file_type(types[i].second), 60, expected.data(), nullptr, H5P_DEFAULT);
    expected.resize(60 * size_of(types[i].second));
    EXPECT_EQ(found.substr(28), std::string(expected.begin(), expected.end()).substr(28)) << i;
  }
}

TEST_F(Hdf5Test, RealNumbersWithAnotherExponent) {
  const fs::path file = path("a.h5");
  const std::vector<float> values{1.0F, -2.5F, 0.0F, 3e4F};
  const auto biased = [](hid_t of, std::size_t bias) {
    h5::Id type(H5Tcopy(of), H5Tclose);
    H5Tset_ebias(type.get(), bias);
    return type;
  };
  add_dataset(file, "f32", biased(H5T_IEEE_F32BE, 100).get(), {4}, values.data(), H5T_NATIVE_FLOAT);
  EXPECT_EQ(content(import(opener({file}, {{"x", "f32"}})), "x"), raw(values));
  add_dataset(file, "vax", H5T_VAX_F64, {4}, values.data(), H5T_NATIVE_FLOAT);
  EXPECT_EQ(content(import(opener({file}, {{"x", "vax"}})), "x"), raw(std::vector<double>{1.0, -2.5, 0.0, 3e4}));
  const std::vector<double> large{1e40, 1.0};
  add_dataset(file, "large", biased(H5T_IEEE_F32LE, 100).get(), {2}, large.data(), H5T_NATIVE_DOUBLE);
  expect_parts(error(opener({file}, {{"x", "large"}})), {file.string(), "'large', samples 0 to"});

  const h5::Id f16(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(f16.get(), 15, 10, 5, 0, 10);
  H5Tset_size(f16.get(), 2);
  H5Tset_ebias(f16.get(), 15);
  add_dataset(file, "f16", f16.get(), {4}, values.data(), H5T_NATIVE_FLOAT);
  EXPECT_EQ(content(import(opener({file}, {{"x", "f16"}})), "x"),
            raw(std::vector<std::uint16_t>{0x3c00, 0xc100, 0, 0x7753}));
  add_dataset(file, "biased", biased(f16.get(), 16).get(), {4}, values.data(), H5T_NATIVE_FLOAT);
  expect_parts(error(opener({file}, {{"x", "biased"}})), {"'biased'", "no f16", "bias 16"});
  const h5::Id swapped(H5Tcopy(f16.get()), H5Tclose);
  H5Tset_fields(swapped.get(), 15, 0, 5, 5, 10);
  add_dataset(file, "swapped", swapped.get(), {4}, values.data(), H5T_NATIVE_FLOAT);
  expect_parts(error(opener({file}, {{"x", "swapped"}})), {"'swapped'", "no f16"});
}

TEST_F(Hdf5Test, TypesThatAreNoNumbers) {
  const fs::path file = path("a.h5");
  const auto refused = [&](const std::string& name, hid_t type, const std::string& words) {
    const std::vector<hsize_t> two{2};
    add_dataset(file, name, type, two, nullptr, 0);
    expect_parts(error(opener({file}, {{"x", name}})), {file.string(), "'" + name + "'", words});
  };
  const h5::Id text(H5Tcopy(H5T_C_S1), H5Tclose);
  refused("text", text.get(), "texts");
  const h5::Id record(H5Tcreate(H5T_COMPOUND, 8), H5Tclose);
  H5Tinsert(record.get(), "a", 0, H5T_STD_I32LE);
  refused("record", record.get(), "compound");
  const h5::Id list(H5Tvlen_create(H5T_STD_I32LE), H5Tclose);
  refused("list", list.get(), "variable length");
  const h5::Id names(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
  signed char value = 0;
  H5Tenum_insert(names.get(), "RED", &value);
  refused("names", names.get(), "enum");
  refused("long_double", H5T_NATIVE_LDOUBLE, "real numbers of 16 bytes");
}

TEST_F(Hdf5Test, LabelsAndDatasetsThatDoNotFit) {
  const fs::path file = path("a.h5");
  const auto values = numbers();
  const std::vector<int> classes{0, 1, 2, 0, 1, 2, 0, 1, 2, 4};
  add_dataset(file, "x", H5T_STD_I16LE, extents_, values.data(), H5T_NATIVE_INT);
  add_dataset(file, "y", H5T_STD_U8LE, {10, 1}, classes.data(), H5T_NATIVE_INT);
  add_dataset(file, "short", H5T_STD_U8LE, {9}, classes.data(), H5T_NATIVE_INT);
  add_dataset(file, "negative", H5T_STD_I32LE, {10}, values.data(), H5T_NATIVE_INT);
  add_dataset(file, "none", H5T_STD_I32LE, {0, 3}, nullptr, 0);
  const Dataset dataset = import(opener({file}, {{"image", "x"}, {"label", "y"}}));
  EXPECT_EQ(dataset.classes(), 5U);
  EXPECT_EQ(labels(dataset), (std::vector<std::int64_t>(classes.begin(), classes.end())));
  expect_parts(error(opener({file}, {{"x", "x"}, {"label", "short"}})), {"'short' holds 9 samples", "'x' holds 10"});
  expect_parts(error(opener({file}, {{"label", "negative"}})), {file.string(), "'negative'", "sample 0", "label -7"});
  expect_parts(error(opener({file}, {{"label", "x"}})), {file.string(), "'x': 'label' is for", "it is i16 {2, 3}"});
  expect_parts(error(opener({file}, {{"x", "none"}})), {"'none' holds no samples"});
  expect_parts(error(opener({file}, {{"x", "nothing"}})), {file.string(), "no dataset 'nothing'"});
  expect_parts(error<InvalidArgument>(opener({file}, {})), {"no dataset"});
  const fs::path other = path("b.h5");
  add_dataset(other, "x", H5T_STD_I16LE, {10, 3, 2}, values.data(), H5T_NATIVE_INT);
  expect_parts(error(opener({file, other}, {{"x", "x"}})), {other.string(), "another type or shape", file.string()});
  const fs::path text = write("text.h5", "no HDF5");
  expect_parts(error(opener({text}, {{"x", "x"}})), {text.string(), "is not an HDF5 file"});
  const std::vector<char> whole = read_bytes(file);
  write_bytes(text, std::span(whole).first(whole.size() / 2));
  expect_parts(error(opener({text}, {{"x", "x"}})), {text.string()});
}

TEST_F(Hdf5Test, WhatWasNeverWrittenIsNotMadeUp) {
  const fs::path file = path("a.h5");
  const auto values = numbers();
  add_dataset(file, "plain", H5T_STD_I32LE, extents_, nullptr, 0);
  expect_parts(error(opener({file}, {{"x", "plain"}})), {file.string(), "'plain'", "never written"});
  add_dataset(file, "chunks", H5T_STD_I32LE, {1000000000, 1000}, nullptr, 0, chunked({10, 1000}));
  expect_parts(error(opener({file}, {{"x", "chunks"}})), {"100000000 of its 100000000 chunks were never written"});
  add_dataset(file, "huge", H5T_STD_I32LE, {1, 1000000000}, nullptr, 0, chunked({1, 1000000000}, true));
  expect_parts(error(opener({file}, {{"x", "huge"}})), {"never written"});
}

TEST_F(Hdf5Test, SpaceThatWasReservedEarlyIsNoted) {
  const fs::path file = path("a.h5");
  const auto values = numbers();
  const auto early = [](const LayoutSetting& setting) {
    return [setting](hid_t properties) {
      if (setting) setting(properties);
      H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY);
    };
  };
  add_dataset(file, "chunks", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT, early(chunked({3, 2, 2})));
  add_dataset(file, "plain", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT, early({}));
  add_dataset(file, "late", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT, chunked({3, 2, 2}));
  add_dataset(file, "compact", H5T_STD_I32LE, extents_, values.data(), H5T_NATIVE_INT,
              early([](hid_t p) { H5Pset_layout(p, H5D_COMPACT); }));
  std::vector<std::string> notes;
  options_.note = [&](const std::string& note) { notes.push_back(note); };
  EXPECT_EQ(content(import(opener({file}, {{"x", "late"}, {"y", "compact"}})), "x"), raw(values));
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(content(import(opener({file}, {{"x", "chunks"}, {"y", "plain"}})), "x"), raw(values));
  ASSERT_EQ(notes.size(), 1U);
  expect_parts(notes[0], {file.string(), "'chunks' and 1 more", "space was reserved"});
}

TEST_F(Hdf5Test, VirtualDatasets) {
  const auto values = numbers();
  add_dataset(path("one.h5"), "d", H5T_STD_I32LE, {5, 6}, values.data(), H5T_NATIVE_INT, chunked({2, 6}));
  add_dataset(path("two.h5"), "d", H5T_STD_I32LE, {5, 6}, values.data() + 30, H5T_NATIVE_INT);
  const std::vector<hsize_t> part{5, 6};
  const std::vector<hsize_t> whole{10, 6};
  const auto joined = [&](const std::vector<std::string>& sources, hsize_t distance = 5) {
    return [&, sources, distance](hid_t properties) {
      const h5::Id from(H5Screate_simple(2, part.data(), nullptr), H5Sclose);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const h5::Id to(H5Screate_simple(2, whole.data(), nullptr), H5Sclose);
        const std::vector<hsize_t> start{distance * i, 0};
        H5Sselect_hyperslab(to.get(), H5S_SELECT_SET, start.data(), nullptr, part.data(), nullptr);
        H5Pset_virtual(properties, to.get(), sources[i].c_str(), "d", from.get());
      }
    };
  };
  const fs::path file = path("virtual.h5");
  add_dataset(file, "both", H5T_STD_I32LE, whole, nullptr, 0, joined({"one.h5", "two.h5"}));
  add_dataset(file, "half", H5T_STD_I32LE, whole, nullptr, 0, joined({"one.h5"}));
  add_dataset(file, "gone", H5T_STD_I32LE, whole, nullptr, 0, joined({"one.h5", "three.h5"}));
  // Two sources of half the elements each, which do not meet each other.
  add_dataset(file, "overlapping", H5T_STD_I32LE, whole, nullptr, 0, joined({"one.h5", "two.h5"}, 3));
  add_dataset(file, "overlapping_whole", H5T_STD_I32LE, whole, nullptr, 0, joined({"one.h5", "two.h5", "two.h5"}, 0));
  add_dataset(file, "twice", H5T_STD_I32LE, {8, 6}, nullptr, 0, joined({"one.h5", "two.h5"}, 3));
  const Dataset dataset = import(opener({file}, {{"x", "both"}}));
  EXPECT_EQ(content(dataset, "x"), raw(values));
  expect_parts(error(opener({file}, {{"x", "half"}})), {file.string(), "'half'", "give 30 of 60 elements"});
  expect_parts(error(opener({file}, {{"x", "overlapping"}})), {"'overlapping'", "give 48 of 60 elements"});
  expect_parts(error(opener({file}, {{"x", "overlapping_whole"}})), {"give 30 of 60 elements"});
  EXPECT_EQ(import(opener({file}, {{"x", "twice"}})).size(), 8U);
  expect_parts(error(opener({file}, {{"x", "gone"}})), {path("three.h5").string(), "is missing"});
  fs::remove(path("two.h5"));
  add_dataset(path("two.h5"), "d", H5T_STD_I32LE, {4, 6}, values.data(), H5T_NATIVE_INT);
  expect_parts(error(opener({file}, {{"x", "both"}})), {path("two.h5").string(), "smaller than what is taken"});
}

TEST_F(Hdf5Test, FilesOfPythonsH5py) {
  if (!run_python("h5py", R"(
import h5py, numpy as np
x = np.arange(40 * 6).reshape(40, 2, 3)
with h5py.File('a.h5', 'w') as f:
    f.create_dataset('train/x', data=x.astype('f2'), chunks=(7, 2, 3), compression='gzip', shuffle=True)
    f.create_dataset('train/b', data=x % 3 == 0, compression='lzf')
    f['train/label'] = np.arange(40, dtype='>u2') % 5
)",
                  temporary_.path()))
    GTEST_SKIP() << "the package python3-h5py is needed";
  const fs::path file = path("a.h5");
  const Dataset dataset = import(opener({file}, {{"x", "/train/x"}, {"label", "/train/label"}}));
  EXPECT_EQ(dataset.fields()[0], (Field{"x", DType::f16, {2, 3}}));
  EXPECT_EQ(dataset.classes(), 5U);
  std::uint16_t third = 0;
  const std::string bytes = content(dataset, "x");
  std::memcpy(&third, &bytes[6], 2);
  EXPECT_EQ(third, 0x4200);  // 3.0
  expect_parts(error(opener({file}, {{"b", "/train/b"}})),
               {file.string(), "'/train/b'", "needs the HDF5 filter 32000 (lzf)"});
}

}  // namespace
}  // namespace tutti::io::test
