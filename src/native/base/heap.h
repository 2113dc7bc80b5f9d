// The process' heap, as far as it concerns the system.
//
// Thread-safety: from any thread.
#pragma once

namespace engram {

// Gives back what the allocator keeps of freed memory for later. For the end of work that took much and comes
// seldom: it takes some milliseconds, and what is given back has to be asked for again.
void give_back_freed_memory() noexcept;

}  // namespace engram
