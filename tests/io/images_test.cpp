// The importer of folders of pictures.
#include <tutti/io/importers/images.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/io/importer_support.hpp"
#include "tests/io/picture_support.hpp"

namespace tutti::io::test {
namespace {

class ImagesTest : public ImporterTest {
 protected:
  ImagesTest() {
    for (const char* name : {"dog", "cat", "empty"}) fs::create_directories(folder() / name);
    // Names do not tell what a file is.
    put("dog/b.jpg", png_of(4, 2, std::string(24, 'b')));
    put("dog/a.png", png_of(4, 2, std::string(24, 'a')));
    put("dog/.DS_Store", "x");
    put("cat/1.png", gzipped(png_of(4, 2, std::string(8, 'c'), {.colour = PNG_COLOR_TYPE_GRAY})));
    put("cat/2.png", jpeg_of(4, 2, std::string(8, 'd'), {.colour = JCS_GRAYSCALE, .exif = turned_}));
    options_.note = [this](const std::string& note) { notes_.push_back(note); };
  }

  fs::path folder() const { return path("pictures"); }
  void put(const std::string& name, const std::string& content) const { write("pictures/" + name, content); }
  static Make opener(ImageFolder images) {
    return [images] { return open_images(images); };
  }

  const std::string turned_{"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 26};
  std::vector<std::string> notes_;
};

TEST_F(ImagesTest, AFolderPerClass) {
  const Dataset dataset = import(opener({.folder = folder()}));
  EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, {3, 2, 4}}, {"label", DType::i64, {}}}));
  EXPECT_EQ(dataset.class_names(), (std::vector<std::string>{"cat", "dog", "empty"}));
  EXPECT_EQ(labels(dataset), (std::vector<std::int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(content(dataset, "image"),
            std::string(24, 'c') + std::string(24, 'd') + std::string(24, 'a') + std::string(24, 'b'));
  ASSERT_EQ(notes_.size(), 1U);
  expect_parts(notes_[0], {"1 pictures have an EXIF orientation", "not applied"});
  EXPECT_EQ(read_from(*open_images({.folder = folder()}), 3, 0), std::string(24, 'b'));
}

TEST_F(ImagesTest, NamesOfFoldersAreUtf8) {
  fs::create_directories(folder() / "z\xe4hler");
  put("z\xe4hler/1.png", png_of(4, 2, std::string(24, 'z')));  // Latin-1
  expect_parts(error(opener({.folder = folder()})), {folder().string(), "'z\\xe4hler'", "UTF-8"});
}

TEST_F(ImagesTest, ScaledGreyAndTurned) {
  const Dataset dataset = import(opener(
      {.folder = folder(),
       .pictures = {.height = 5, .width = 5, .fit = PictureFit::crop, .channels = 1, .apply_orientation = true}}));
  EXPECT_EQ(dataset.fields()[0].shape, (std::vector<std::size_t>{1, 5, 5}));
  EXPECT_EQ(content(dataset, "image"),
            std::string(25, 'c') + std::string(25, 'd') + std::string(25, 'a') + std::string(25, 'b'));
  expect_parts(notes_.at(0), {"was applied"});
}

TEST_F(ImagesTest, DamagedPicturesAreErrorsOrLeftOut) {
  const std::string whole = png_of(4, 2, std::string(24, 'z'));
  put("cat/0.png", whole.substr(0, whole.size() - 9));
  put("dog/c.png", "GIF89a");
  expect_parts(error(opener({.folder = folder()})), {(folder() / "cat/0.png").string(), "truncated"});
  notes_.clear();
  const Dataset dataset = import(opener({.folder = folder(), .skip_damaged = true}));
  EXPECT_EQ(labels(dataset), (std::vector<std::int64_t>{0, 0, 1, 1}));
  ASSERT_EQ(notes_.size(), 4U);
  expect_parts(notes_[0], {"left out", (folder() / "cat/0.png").string()});
  expect_parts(notes_[1], {"left out", (folder() / "dog/c.png").string(), "neither PNG nor JPEG"});
  expect_parts(notes_[2], {"2 of 6 pictures were left out"});
}

TEST_F(ImagesTest, FoldersThatAreSomethingElse) {
  put("dog/c.png", png_of(2, 4, std::string(24, 'c')));
  expect_parts(error(opener({.folder = folder()})),
               {(folder() / "dog/c.png").string(), "4 rows of 2 pixels instead of 2 of 4"});
  expect_parts(error<InvalidArgument>(opener({.folder = folder(), .pictures = {.fit = PictureFit::crop}})), {"size"});
  put("readme.txt", "x");
  expect_parts(error(opener({.folder = folder()})), {(folder() / "readme.txt").string(), "beside the folders"});
  fs::remove(folder() / "readme.txt");
  fs::create_directories(folder() / "dog" / "inner");
  expect_parts(error(opener({.folder = folder()})), {(folder() / "dog/inner").string(), "within that of a class"});
  expect_parts(error(opener({.folder = path("none")})), {path("none").string(), "No such file"});
  expect_parts(error(opener({.folder = folder() / "empty"})), {"holds no folders of pictures"});
  fs::remove(folder() / "dog" / "inner");
  const fs::path odd = folder() / "dog" / "e";
  ASSERT_EQ(::mkfifo(odd.c_str(), 0600), 0);
  expect_parts(error(opener({.folder = folder()})), {odd.string(), "is no file"});
  fs::remove(odd);
  fs::create_symlink("e", odd);
  expect_parts(error(opener({.folder = folder()})), {odd.string(), "is no file: Too many levels of symbolic links"});
  fs::remove(odd);
  fs::create_symlink("missing", odd);
  expect_parts(error(opener({.folder = folder()})), {odd.string(), "is no file: No such file"});
  fs::remove(odd);
  put("dog/0\n.png", "GIF89a");  // a message is one line
  expect_parts(error(opener({.folder = folder()})), {"dog/0\\x0a.png", "neither PNG nor JPEG"});
  fs::remove(folder() / "dog/0\n.png");
  if (::geteuid() == 0) return;  // whom permissions do not stop
  ::chmod((folder() / "cat").c_str(), 0);
  expect_parts(error(opener({.folder = folder()})), {(folder() / "cat").string(), "Permission denied"});
  ::chmod((folder() / "cat").c_str(), 0700);
  ::chmod((folder() / "cat/1.png").c_str(), 0);
  expect_parts(error(opener({.folder = folder()})), {(folder() / "cat/1.png").string(), "Permission denied"});
}

}  // namespace
}  // namespace tutti::io::test
