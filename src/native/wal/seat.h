// The leader's seat: vacant, taken, or held open by a writer that watches for the others it expects, so that
// the last of them to come leads at once and nobody has to spin until then.
//
// Thread-safety: all of it; open() and leave() by the one who sits there alone. Sequentially consistent: of a
// writer that publishes a record and then looks at the seat, and one that changes the seat and then looks for
// records, one sees the other.
#pragma once

#include <atomic>
#include <cstdint>

namespace engram::wal {

class Seat {
 public:
  enum class Sat : std::uint8_t { kNo, kDown, kAsLast };

  // Sits down where nobody sits, or where the seat is open and `all_here()` says so.
  template <class AllHere>
  Sat take(AllHere&& all_here) {
    std::uint64_t seen = state_.load(std::memory_order_seq_cst);
    while (seen != kTaken) {
      if (seen != kVacant && !all_here()) return Sat::kNo;
      if (state_.compare_exchange_weak(seen, kTaken, std::memory_order_seq_cst)) {
        return seen == kVacant ? Sat::kDown : Sat::kAsLast;
      }
    }
    return Sat::kNo;
  }

  // Offers it to the last to come; what to pass to retake().
  std::uint64_t open() {
    const std::uint64_t opening = ++openings_;
    state_.store(opening, std::memory_order_seq_cst);  // from here on another may sit, and open it again
    return opening;
  }
  // Sits down again. False when somebody has taken it since.
  bool retake(std::uint64_t opening) {
    return state_.compare_exchange_strong(opening, kTaken, std::memory_order_seq_cst);
  }

  void leave() { state_.store(kVacant, std::memory_order_seq_cst); }

 private:
  static constexpr std::uint64_t kVacant = 0;
  static constexpr std::uint64_t kTaken = 1;

  std::atomic<std::uint64_t> state_{kVacant};  // or the number of an opening, each of which has its own
  std::uint64_t openings_ = kTaken;            // of who sits
};

}  // namespace engram::wal
