// Memory for what a move or a compaction builds, in a file that is mapped: it may be as large as a tier, and
// the system can have its pages back at any time, where RAM of the process would be out of budget.
//
// Thread-safety: open() from any thread.
//
// Invariants: blocks are allocated before a page can be written, so a full disk is an IoError, never a
// signal. The file goes with the object, which outlives what lies in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "base/file.h"
#include "hnsw/memory.h"

namespace engram::engine {

class ScratchMemory final : public hnsw::Backing {
 public:
  // Nothing is created before the first open().
  ScratchMemory(FileSystem& files, const Path& path) : files_(files), path_(path) {}
  ~ScratchMemory() override;
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;

  void open(std::byte* at, std::size_t bytes) override;

 private:
  FileSystem& files_;
  const Path path_;
  std::mutex mutex_;
  std::unique_ptr<File> file_;
  std::uint64_t used_ = 0;
};

// So many values at most, in scratch memory (null: in RAM).
template <class T>
class ScratchArray {
 public:
  ScratchArray(std::size_t most, hnsw::Backing* backing)
      : region_(most * sizeof(T), most * sizeof(T), hnsw::Region::Access::kRead) {
    region_.open(0, region_.size(), backing);
  }

  void push_back(const T& value) { new (data() + size_++) T(value); }
  std::span<T> all() { return {data(), size_}; }
  std::span<const T> all() const { return {data(), size_}; }

 private:
  T* data() const { return reinterpret_cast<T*>(region_.data()); }

  hnsw::Region region_;
  std::size_t size_ = 0;
};

}  // namespace engram::engine
