// Vectors on their way from one segment to another, in a file that is mapped: memory that the system can have
// back at any time, where copies in RAM could be as large as a tier.
//
// Thread-safety: one thread adds; then any may read.
//
// Invariants: at() gives what add() was given, in that order. The file goes with the object.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/file.h"

namespace engram::engine {

class Scratch {
 public:
  // Nothing is created before the first add().
  Scratch(FileSystem& files, const Path& path, std::size_t dim);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Where the next vector goes, to be filled in before the next call.
  float* add();
  void finish();  // nothing is added after this
  const float* at(std::size_t number) const;

 private:
  void flush();

  FileSystem& files_;
  Path path_;
  std::size_t dim_;
  std::vector<float> buffer_;
  std::size_t buffered_ = 0;  // floats
  std::uint64_t written_ = 0;
  std::unique_ptr<File> file_;
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace engram::engine
