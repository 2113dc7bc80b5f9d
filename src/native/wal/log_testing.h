// What the tests of the log share: logs in a fault file system (base/fault_file.h), and what their callers
// saw.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "wal/log.h"

namespace engram::wal {

using Call = FaultFileSystem::Call;
using Texts = std::vector<std::string>;

inline const Path kFolder = "/wal";

inline Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a caller of the log saw.
struct Seen {
  Texts issued;
  std::size_t acknowledged = 0;  // the first so many returned
  std::size_t durable = 0;       // the first so many were on stable storage
  Texts committed;
  std::size_t applied = 0;  // the first so many were made durable elsewhere, and the log dropped below
  Lsn from = 0;             // the next one's LSN
};

inline std::unique_ptr<Log> open_log(FileSystem& files, const Options& options, Texts* replayed,
                                     Texts* committed = nullptr, Lsn from = 0) {
  return Log::open(
      files, kFolder, options, from,
      [replayed](const Record& record) {
        if (replayed) replayed->push_back(text_of(record.payload));
      },
      [committed](std::span<const Record> group) {
        if (!committed) return;
        for (const Record& record : group) committed->push_back(text_of(record.payload));
      });
}

inline bool is_prefix(const Texts& texts, const Texts& of) {
  return texts.size() <= of.size() && std::equal(texts.begin(), texts.end(), of.begin());
}

inline Options small_segments(Sync sync) {
  Options options;
  options.sync = sync;
  options.segment_bytes = 4096;
  options.ring_bytes = 4096;
  return options;
}

inline Texts recovered(FileSystem& files, Lsn from = 0) {
  Texts texts;
  open_log(files, small_segments(Sync::kAlways), &texts, nullptr, from);
  return texts;
}

inline std::string some_text(std::mt19937_64& random, std::size_t number) {
  std::string text = std::to_string(number) + ":";
  text.resize(text.size() + random() % 900, static_cast<char>('a' + number % 26));
  return text;
}

// Opens, appends `count` records one after another, closes; drops what was applied now and then. Stops at the
// first error but OutOfSpace.
inline void live(FaultFileSystem& files, Sync sync, std::size_t count, std::mt19937_64& random, Seen& seen,
                 bool drop = false) {
  const std::unique_ptr<Log> log = open_log(files, small_segments(sync), nullptr, &seen.committed, seen.from);
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = some_text(random, seen.issued.size());
    try {
      const Lsn lsn = log->append(bytes_of(text), std::nullopt, 0);
      seen.issued.push_back(std::move(text));
      seen.acknowledged = seen.issued.size();
      if (sync == Sync::kNever && random() % 8 == 0) log->wait_durable(lsn, std::nullopt);
      if (log->synced_lsn() == log->end_lsn()) seen.durable = seen.acknowledged;
      if (drop && seen.durable == seen.acknowledged && random() % 3 == 0) {
        seen.applied = seen.acknowledged;
        seen.from = log->end_lsn();
        log->drop_below(seen.from, 1 << 20);
      }
    } catch (const OutOfSpace&) {  // as if it had never been called
    } catch (const DurabilityError&) {
      if (seen.acknowledged == seen.issued.size()) seen.issued.push_back(std::move(text));
      throw;
    }
  }
  log->close();
  seen.durable = seen.acknowledged;
}

}  // namespace engram::wal
