// A file system in memory for tests: counts every call, fails or dies at the one it is told to, and knows
// what a power cut would leave of it.
//
// Thread-safety: all of it, from any thread; the clones are separate worlds.
//
// What a cut leaves, as harsh as POSIX allows:
//  - of the bytes written since a file's last good sync, any subset, torn at 512 bytes, a sector that was
//  written
//    several times as any of its versions; of its sizes since then, any;
//  - of the creations, renames and removals since a folder's last sync, any subset;
//  - of what a failed sync was to write, any subset, and a later sync that succeeds does not bring back the
//  rest
//    (it had nothing to write any more), though a process that reads the file still sees it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"

namespace engram {

// The process was killed in a call: from then on every call throws it.
struct Killed : std::exception {
  const char* what() const noexcept override { return "killed"; }
};

class FaultFileSystem final : public FileSystem {
 public:
  enum class Call {
    kOpen,
    kRename,
    kRemove,
    kMakeFolder,
    kSyncFolder,
    kExists,
    kList,
    kRead,
    kWrite,
    kSync,
    kSize,
    kTruncate,
    kAllocate,
    kMap,
    kLock,
  };

  explicit FaultFileSystem(std::uint64_t seed = 0);
  ~FaultFileSystem() override;

  // The calls so far; the next has this number.
  std::uint64_t calls() const;
  // Call number `n` fails with errno `code`, a write after some of its bytes; so do all after it if
  // `for_good`.
  void fail_at(std::uint64_t n, int code, bool for_good);
  // Call number `n` kills the process: a write after some of its bytes.
  void kill_at(std::uint64_t n);
  void heal();  // no more faults
  // What all files take together may not exceed this many bytes: ENOSPC.
  void set_capacity(std::uint64_t bytes);
  // Called before each call is carried out, without any lock held.
  void set_hook(std::function<void(Call, const Path&)> hook);
  // Flips one bit of a file, on the medium and in memory.
  void flip(const Path& path, std::uint64_t byte, unsigned bit);

  // The same files without the faults, as another process finds them.
  std::unique_ptr<FaultFileSystem> after_kill() const;
  // What is left of them after a power cut, as chosen by `random`.
  std::unique_ptr<FaultFileSystem> after_power_cut(std::mt19937_64& random) const;

  std::unique_ptr<File> open(const Path& path, OpenMode mode) override;
  void rename(const Path& from, const Path& to) override;
  void remove(const Path& path) override;
  void make_folder(const Path& path) override;
  void sync_folder(const Path& path) override;
  bool exists(const Path& path) override;
  std::vector<std::string> list(const Path& folder) override;

 private:
  class OpenFile;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Lock = std::unique_lock<std::mutex>;
  static constexpr std::size_t kSector = 512;

  // Begins a call: counts it and throws what is due. `torn` gets how many of `bytes` are done before that.
  Lock begin(Call call, const Path& path, const std::function<void(std::size_t)>& before_failing = {},
             std::size_t bytes = 0);
  NodePtr find(const Path& path) const;
  NodePtr folder_of(const Path& path) const;
  void write(Node& node, std::uint64_t offset, Bytes bytes);
  void resize(Node& node, std::uint64_t size);
  void check_capacity(const Node& node, std::uint64_t size, const Path& path) const;
  static NodePtr clone(const NodePtr& node, std::map<const Node*, NodePtr>& clones);
  static void cut(Node& node, std::mt19937_64& random);

  mutable std::mutex mutex_;
  mutable std::mt19937_64 random_;
  NodePtr root_;
  std::function<void(Call, const Path&)> hook_;
  std::uint64_t calls_ = 0;
  std::uint64_t fault_at_ = ~std::uint64_t{0};
  int fault_code_ = 0;  // 0: killed
  bool fault_for_good_ = false;
  std::uint64_t capacity_ = ~std::uint64_t{0};
  std::uint64_t size_ = 0;  // of all files
};

}  // namespace engram
