// Sleeping until a word changes, and waking who sleeps on it.
//
// std::atomic::wait of libstdc++ yields four times before it sleeps: sixteen writers who wait for one sync
// then switch eighty times instead of sixteen. A sync takes a hundred microseconds; there is nothing to spin
// for.
//
// Thread-safety: all of it. A wake after the word was changed is never missed. unpark_*() touch nothing but
// the address, so the word may be gone by then: a wake that reaches nobody, or somebody else, does no harm.
#pragma once

#include <atomic>
#include <cstdint>

namespace engram::wal {

// Returns once the word is not `value` (or, now and then, for no reason: look again).
void park(const std::atomic<std::uint32_t>& word, std::uint32_t value);
void unpark_one(const std::atomic<std::uint32_t>& word);
void unpark_all(const std::atomic<std::uint32_t>& word);

}  // namespace engram::wal
