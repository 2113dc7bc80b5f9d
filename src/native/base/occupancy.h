// On which processors something is under way that should not be stood on.
//
// A scheduler that finds all processors busy wakes a thread where it slept, also beside one that computes
// there while the next processor runs what nobody waits for; the two then share that one processor for as
// long as both go on. Whoever knows better can step aside.
//
// Thread-safety: all of it, from any thread; nothing is locked.
//
// Invariants: the affinity of a thread that stepped aside is what it was, or what another thread made of it
// meanwhile; unless that came while it moved, some 50 us, and was just where it moved to, or came between a
// look and a call: the system has no way to change it only if it is still what it was. Where the system does
// not tell processors apart, nothing is ever under way.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace engram {

class Occupancy {
 public:
  // Something is under way, on the processor it began on, for as long as this lives.
  class Stay {
   public:
    explicit Stay(Occupancy& occupancy);
    ~Stay();
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

   private:
    std::atomic<int>& count_;
  };

  Occupancy();

  // Whether on the processor of the calling thread something is.
  bool is_here() const;

  // On how many processors something is.
  std::size_t processors() const;

  // Moves the calling thread to a processor where nothing is, of those it may run on. False: there is none,
  // or the thread tried a moment ago (where much is under way, a free processor does not stay free for long).
  bool step_aside() const;

 private:
  static constexpr std::size_t kMost = 256;  // of more, some share a count

  struct alignas(64) Count {  // a line of the cache each
    std::atomic<int> value{0};
  };

  std::size_t here() const;
  bool move() const;
  bool is_at(std::size_t processor) const;

  const std::size_t used_;  // of the counts
  std::array<Count, kMost> counts_;
};

}  // namespace engram
