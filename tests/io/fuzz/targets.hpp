// The readers of files that nobody vouches for, each as a function of bytes: for libFuzzer, and for a test that changes
// bytes by itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io::fuzz {

struct Target {
  const char* name;
  std::vector<std::string> (*seeds)();  ///< small files that are right
  void (*read)(const std::filesystem::path& file);
};

/// All of them.
std::vector<Target> targets();

/// Those that read formats of others (importer_targets.cpp).
std::span<const Target> importer_targets();

/// Those whose bytes say what a file or a folder is made of (made_targets.cpp).
std::span<const Target> made_targets();

/// Reads all samples, and notes; of a source that holds astonishingly many the first samples.
void drain(SampleSource& source);

/// The target of that name.
std::optional<Target> find(const std::string& name);

/// Lets `target` read the bytes as a file. A tutti::Error of one line is what it should answer to bytes that are wrong;
/// anything else ends the process.
void run(const Target& target, std::span<const std::uint8_t> bytes);

}  // namespace tutti::io::fuzz
