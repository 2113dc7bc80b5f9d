// Reading parts of a file through the page cache, many at once: the disk is asked for all that is missing
// before the first of them is waited for.
//
// Thread-safety: owned by one search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tier/page_cache.h"
#include "tier/pages.h"

namespace engram::tier {

class Extents {
 public:
  Extents(const Pages& pages, PageCache& cache, PageCache::Owner owner)
      : pages_(pages), cache_(cache), owner_(owner) {}

  // Whole pages. Looks it up and, where it is missing, asks the disk for it; returns its number here.
  std::size_t ask(format::Extent extent);
  // Its bytes; waits for the disk when it was missing. Errors: CorruptionError, IoError.
  Bytes take(std::size_t number);
  // Of those asked for and not taken yet, forgets which they were.
  void clear() { asked_.clear(); }

  std::size_t pages_read() const { return read_; }
  std::size_t pages_hit() const { return hit_; }

 private:
  struct Asked {
    format::Extent extent;
    PageCache::Block block;  // null: missing
  };

  const Pages& pages_;
  PageCache& cache_;
  PageCache::Owner owner_;
  std::vector<Asked> asked_;
  std::size_t read_ = 0;
  std::size_t hit_ = 0;
};

}  // namespace engram::tier
