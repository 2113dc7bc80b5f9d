// Sleeping until a word changes, and waking who sleeps on it.
//
// std::atomic::wait of libstdc++ yields four times before it sleeps: sixteen writers who wait for one sync
// then switch eighty times instead of sixteen. A sync takes a hundred microseconds; there is nothing to spin
// for.
//
// Thread-safety: all of it. A wake after the word was changed is never missed. unpark() touches nothing but
// the address, so the word may be gone by then: a wake that reaches nobody, or somebody else, does no harm.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace engram::wal {

// What a sleeper may be known by, one bit each: a wake reaches those who bear one of its marks.
using Marks = std::uint32_t;
inline constexpr Marks kAllMarks = ~Marks{0};

// Returns once the word is not `value` (or, now and then, for no reason: look again).
void park(const std::atomic<std::uint32_t>& word, std::uint32_t value, Marks marks = kAllMarks);
// As park(), but returns at `until` at the latest.
void park_until(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                std::chrono::steady_clock::time_point until, Marks marks = kAllMarks);
// Wakes all who bear one of the marks, and where the system cannot tell them apart, others as well.
void unpark(const std::atomic<std::uint32_t>& word, Marks marks = kAllMarks);

}  // namespace engram::wal
