#include "base/fault_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace engram {
namespace {

[[noreturn]] void fail(int code, const Path& path) {
  throw IoError(code, path.string(), path.string() + ": " + std::generic_category().message(code));
}

}  // namespace

// A file or a folder. `durable` is what is on the medium, `now` what a process sees.
struct FaultFileSystem::Node {
  using Sector = std::array<std::byte, kSector>;
  struct Change {  // of a folder: `name` is now `node`, or nothing
    std::string name;
    NodePtr node;
    bool with_next;  // one half of a rename: both happen or neither
  };

  bool folder = false;
  bool named = true;

  std::vector<std::byte> now;
  std::vector<std::byte> durable;
  std::map<std::uint64_t, std::vector<Sector>> versions;  // of sectors written since the last sync
  std::vector<std::uint64_t> sizes;                       // since then
  unsigned shared_locks = 0;
  bool exclusive_lock = false;

  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> durable_entries;
  std::vector<Change> changes;

  void note(const std::string& name, NodePtr node, bool with_next = false) {
    if (node) {
      entries[name] = node;
    } else {
      entries.erase(name);
    }
    changes.push_back({name, std::move(node), with_next});
  }
  static void apply(const Change& change, std::map<std::string, NodePtr>& entries) {
    if (change.node) {
      entries[change.name] = change.node;
    } else {
      entries.erase(change.name);
    }
  }
  void apply_sector(std::uint64_t index, const Sector& sector) {
    const std::size_t at = index * kSector;
    if (at >= durable.size()) return;
    std::memcpy(durable.data() + at, sector.data(), std::min(kSector, durable.size() - at));
  }
  Sector sector(std::uint64_t index) const {
    Sector sector{};
    const std::size_t at = index * kSector;
    if (at < now.size()) std::memcpy(sector.data(), now.data() + at, std::min(kSector, now.size() - at));
    return sector;
  }
  void sync() {
    durable.resize(now.size());
    for (const auto& [index, versions_of_it] : versions) apply_sector(index, sector(index));
    versions.clear();
    sizes.clear();
  }
  // Any subset of what was not synced reaches the medium; nothing is left to be synced.
  void lose(std::mt19937_64& random) {
    if (!sizes.empty() && random() % 2 == 0) durable.resize(sizes[random() % sizes.size()]);
    for (const auto& [index, versions_of_it] : versions) {
      const std::size_t chosen = random() % (versions_of_it.size() + 1);
      if (chosen > 0) apply_sector(index, versions_of_it[chosen - 1]);
    }
    versions.clear();
    sizes.clear();
  }
};

class FaultFileSystem::OpenFile final : public File {
 public:
  OpenFile(FaultFileSystem& files, NodePtr node, Path path)
      : files_(files), node_(std::move(node)), path_(std::move(path)) {}
  ~OpenFile() override {
    const Lock lock(files_.mutex_);
    unlock();
  }

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const Lock lock = files_.begin(Call::kRead, path_);
    if (offset >= node_->now.size()) return 0;
    const std::size_t size = std::min<std::uint64_t>(out.size(), node_->now.size() - offset);
    if (size > 0) std::memcpy(out.data(), node_->now.data() + offset, size);
    return size;
  }

  void write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    std::size_t total = 0;
    for (const Bytes& part : parts) total += part.size();
    // Read only now, as the system does: the hook that begin() calls may change what is to be written.
    const auto part_of_it = [&](std::size_t size) {
      std::vector<std::byte> all;
      for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
      files_.write(*node_, offset, Bytes(all).first(size));
    };
    const Lock lock = files_.begin(Call::kWrite, path_, part_of_it, total);
    files_.check_capacity(*node_, offset + total, path_);
    part_of_it(total);
  }

  void sync_data() override {
    const auto lose = [&](std::size_t) {
      if (files_.fault_code_ != 0) node_->lose(files_.random_);
    };
    const Lock lock = files_.begin(Call::kSync, path_, lose);
    node_->sync();
  }

  std::uint64_t size() const override {
    const Lock lock = files_.begin(Call::kSize, path_);
    return node_->now.size();
  }

  bool is_named() const override {
    const Lock lock(files_.mutex_);
    return node_->named;
  }

  bool is_at(const Path& path) const override {
    const Lock lock(files_.mutex_);
    return files_.find(path) == node_;
  }

  void truncate(std::uint64_t size) override {
    const Lock lock = files_.begin(Call::kTruncate, path_);
    files_.resize(*node_, size);
  }

  void allocate(std::uint64_t offset, std::uint64_t size) override {
    const Lock lock = files_.begin(Call::kAllocate, path_);
    if (offset + size <= node_->now.size()) return;
    files_.check_capacity(*node_, offset + size, path_);
    files_.resize(*node_, offset + size);
  }

  std::unique_ptr<Mapping> map() const override {
    class Copy final : public Mapping {
     public:
      explicit Copy(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
      Bytes bytes() const override { return bytes_; }

     private:
      std::vector<std::byte> bytes_;
    };
    const Lock lock = files_.begin(Call::kMap, path_);
    return std::make_unique<Copy>(node_->now);
  }

  // RAM of its own: nobody reads such a file but through the mapping.
  void map_over(std::byte* where, std::uint64_t /*offset*/, std::size_t size) override {
    const Lock lock = files_.begin(Call::kMap, path_);
    if (::mprotect(where, size, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }

  bool try_lock(LockMode mode) override {
    const Lock lock = files_.begin(Call::kLock, path_);
    unlock();
    if (node_->exclusive_lock || (mode == LockMode::kExclusive && node_->shared_locks > 0)) return false;
    if (mode == LockMode::kExclusive) {
      node_->exclusive_lock = true;
    } else {
      ++node_->shared_locks;
    }
    held_ = mode;
    holds_ = true;
    return true;
  }

  void abandon() noexcept override {}

 private:
  void unlock() {
    if (!std::exchange(holds_, false)) return;
    if (held_ == LockMode::kExclusive) {
      node_->exclusive_lock = false;
    } else {
      --node_->shared_locks;
    }
  }

  FaultFileSystem& files_;
  NodePtr node_;
  Path path_;
  LockMode held_ = LockMode::kShared;
  bool holds_ = false;
};

FaultFileSystem::FaultFileSystem(std::uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->folder = true;
}

FaultFileSystem::~FaultFileSystem() = default;

std::uint64_t FaultFileSystem::calls() const {
  const Lock lock(mutex_);
  return calls_;
}

void FaultFileSystem::fail_at(std::uint64_t n, int code, bool for_good) {
  const Lock lock(mutex_);
  fault_at_ = n;
  fault_code_ = code;
  fault_for_good_ = for_good;
}

void FaultFileSystem::kill_at(std::uint64_t n) {
  fail_at(n, 0, true);
}

void FaultFileSystem::heal() {
  fail_at(~std::uint64_t{0}, 0, false);
}

void FaultFileSystem::set_capacity(std::uint64_t bytes) {
  const Lock lock(mutex_);
  capacity_ = bytes;
}

void FaultFileSystem::set_hook(std::function<void(Call, const Path&)> hook) {
  const Lock lock(mutex_);
  hook_ = std::move(hook);
}

void FaultFileSystem::flip(const Path& path, std::uint64_t byte, unsigned bit) {
  const Lock lock(mutex_);
  const NodePtr node = find(path);
  node->now.at(byte) ^= std::byte{1} << bit;
  node->durable.at(byte) ^= std::byte{1} << bit;
}

FaultFileSystem::Lock FaultFileSystem::begin(Call call, const Path& path,
                                             const std::function<void(std::size_t)>& before_failing,
                                             std::size_t bytes) {
  Lock lock(mutex_);
  if (hook_) {
    const std::function<void(Call, const Path&)> hook = hook_;
    lock.unlock();
    hook(call, path);
    lock.lock();
  }
  const std::uint64_t number = calls_++;
  if (number != fault_at_ && !(fault_for_good_ && number > fault_at_)) return lock;
  const bool dead = fault_code_ == 0 && number > fault_at_;
  if (before_failing && !dead) before_failing(bytes == 0 ? 0 : random_() % (bytes + 1));
  if (fault_code_ == 0) throw Killed();
  fail(fault_code_, path);
}

FaultFileSystem::NodePtr FaultFileSystem::find(const Path& path) const {
  NodePtr node = root_;
  for (const Path& name : path.relative_path()) {
    if (name.empty() || name == ".") continue;
    const auto entry = node->entries.find(name.string());
    if (entry == node->entries.end()) return nullptr;
    node = entry->second;
  }
  return node;
}

FaultFileSystem::NodePtr FaultFileSystem::folder_of(const Path& path) const {
  NodePtr folder = find(path.parent_path());
  if (!folder) fail(ENOENT, path);
  if (!folder->folder) fail(ENOTDIR, path);
  return folder;
}

void FaultFileSystem::write(Node& node, std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > node.now.size()) resize(node, offset + bytes.size());
  std::memcpy(node.now.data() + offset, bytes.data(), bytes.size());
  for (std::uint64_t index = offset / kSector; index * kSector < offset + bytes.size(); ++index) {
    node.versions[index].push_back(node.sector(index));
  }
}

// A file that shrank and grew again has zeros in between: those count as written.
void FaultFileSystem::resize(Node& node, std::uint64_t size) {
  const std::uint64_t before = node.now.size();
  size_ += size - before;
  node.now.resize(size);
  node.sizes.push_back(size);
  for (std::uint64_t index = std::min(before, size) / kSector; index * kSector < node.durable.size();
       ++index) {
    node.versions[index].push_back(node.sector(index));
  }
}

void FaultFileSystem::check_capacity(const Node& node, std::uint64_t size, const Path& path) const {
  if (size > node.now.size() && size_ + (size - node.now.size()) > capacity_) fail(ENOSPC, path);
}

FaultFileSystem::NodePtr FaultFileSystem::clone(const NodePtr& node, std::map<const Node*, NodePtr>& clones) {
  if (!node) return nullptr;
  NodePtr& copy = clones[node.get()];
  if (copy) return copy;
  copy = std::make_shared<Node>(*node);
  const NodePtr result = copy;  // `copy` may move as the map grows
  result->shared_locks = 0;
  result->exclusive_lock = false;
  for (auto& [name, entry] : result->entries) entry = clone(entry, clones);
  for (auto& [name, entry] : result->durable_entries) entry = clone(entry, clones);
  for (Node::Change& change : result->changes) change.node = clone(change.node, clones);
  return result;
}

std::unique_ptr<FaultFileSystem> FaultFileSystem::after_kill() const {
  const Lock lock(mutex_);
  auto files = std::make_unique<FaultFileSystem>(random_());
  std::map<const Node*, NodePtr> clones;
  files->root_ = clone(root_, clones);
  files->size_ = size_;
  return files;
}

std::unique_ptr<FaultFileSystem> FaultFileSystem::after_power_cut(std::mt19937_64& random) const {
  std::unique_ptr<FaultFileSystem> files = after_kill();
  cut(*files->root_, random);
  return files;
}

void FaultFileSystem::cut(Node& node, std::mt19937_64& random) {
  if (!node.folder) {
    node.lose(random);
    node.now = node.durable;
    return;
  }
  for (std::size_t i = 0; i < node.changes.size(); ++i) {
    const bool happens = random() % 2 == 0;
    if (happens) Node::apply(node.changes[i], node.durable_entries);
    if (!node.changes[i].with_next) continue;
    ++i;
    if (happens) Node::apply(node.changes[i], node.durable_entries);
  }
  node.changes.clear();
  node.entries = node.durable_entries;
  for (auto& [name, entry] : node.entries) cut(*entry, random);
}

std::unique_ptr<File> FaultFileSystem::open(const Path& path, OpenMode mode) {
  const Lock lock = begin(Call::kOpen, path);
  const NodePtr folder = folder_of(path);
  NodePtr node = find(path);
  if (node && mode == OpenMode::kCreate) fail(EEXIST, path);
  if (node && node->folder) fail(EISDIR, path);
  if (!node && (mode == OpenMode::kRead || mode == OpenMode::kReadWrite)) fail(ENOENT, path);
  if (!node) {
    if (size_ >= capacity_) fail(ENOSPC, path);
    node = std::make_shared<Node>();
    folder->note(path.filename().string(), node);
  }
  return std::make_unique<OpenFile>(*this, std::move(node), path);
}

void FaultFileSystem::rename(const Path& from, const Path& to) {
  const Lock lock = begin(Call::kRename, from);
  const NodePtr node = find(from);
  if (!node) fail(ENOENT, from);
  if (from.parent_path() != to.parent_path()) fail(EXDEV, from);  // nothing of ours does that
  const NodePtr folder = folder_of(to);
  if (const NodePtr replaced = find(to)) {
    size_ -= replaced->now.size();
    replaced->named = false;
  }
  folder->note(from.filename().string(), nullptr, true);
  folder->note(to.filename().string(), node);
}

void FaultFileSystem::remove(const Path& path) {
  const Lock lock = begin(Call::kRemove, path);
  const NodePtr node = find(path);
  if (!node) fail(ENOENT, path);
  size_ -= node->now.size();
  node->named = false;
  folder_of(path)->note(path.filename().string(), nullptr);
}

void FaultFileSystem::make_folder(const Path& path) {
  const Lock lock = begin(Call::kMakeFolder, path);
  if (const NodePtr node = find(path)) {
    if (!node->folder) fail(EEXIST, path);
    return;
  }
  const NodePtr node = std::make_shared<Node>();
  node->folder = true;
  folder_of(path)->note(path.filename().string(), node);
}

void FaultFileSystem::sync_folder(const Path& path) {
  const Lock lock = begin(Call::kSyncFolder, path);
  const NodePtr folder = find(path);
  if (!folder) fail(ENOENT, path);
  folder->durable_entries = folder->entries;
  folder->changes.clear();
}

bool FaultFileSystem::exists(const Path& path) {
  const Lock lock = begin(Call::kExists, path);
  return find(path) != nullptr;
}

std::vector<std::string> FaultFileSystem::list(const Path& folder) {
  const Lock lock = begin(Call::kList, folder);
  const NodePtr node = find(folder);
  if (!node) fail(ENOENT, folder);
  if (!node->folder) fail(ENOTDIR, folder);
  std::vector<std::string> names;
  for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

}  // namespace engram
