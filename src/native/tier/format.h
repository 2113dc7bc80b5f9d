// The bytes of a segment file: docs/format-segment.md. A header page, sections that begin at pages, and at
// the end the checksums of all pages.
//
// Thread-safety: pure functions.
//
// Invariants: what decode_header() returns is in range and its sections lie one after another within the
// file, each of the size that the counts call for (the lists and ids, whose sizes vary, of whole pages).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/file.h"
#include "tier/types.h"

namespace engram::tier::format {

inline constexpr std::uint64_t kMagic = 0x31474553'4D52474E;  // "NGRMSEG1", little-endian
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kMostLevels = 24;
// A page of checksums: those of so many pages, then its own.
inline constexpr std::size_t kSumsInPage = kPage / 4 - 1;

enum class Section : std::uint32_t {
  kKeys,       // 8 bytes a row
  kHashes,     // 8 bytes a row
  kTags,       // 16 bytes a row: Tag
  kIds,        // one after another
  kVectors,    // dim float32 a row
  kRecords,    // warm: code and level-0 links of each row
  kUpper,      // warm: links of level 1 of the rows that have it, then of level 2, ...
  kCentroids,  // cold: a code a list
  kListEnds,   // cold: 4 bytes a list: the first row that is not in it any more
  kLists,      // cold: the codes of each list's rows, each list beginning a page
  kChecksums,
};
inline constexpr std::size_t kSections = 11;

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t end() const { return offset + bytes; }
};

// A row's confidence and where its id lies in the section of ids: first << 16 | length.
struct Tag {
  double confidence;
  std::uint64_t id;
};
static_assert(sizeof(Tag) == 16);

struct Header {
  Kind kind = Kind::kWarm;
  Shape shape;
  std::size_t rows = 0;
  std::size_t lists = 0;  // cold
  float shift = 0;        // what was taken from each element before it was coded (hnsw::Coding)
  // Warm: how many rows are on level 1 and above, on level 2 and above, ...; those come first. 0: the end.
  std::array<std::uint32_t, kMostLevels> level_rows{};
  std::array<Extent, kSections> sections{};

  const Extent& section(Section which) const { return sections[static_cast<std::size_t>(which)]; }
  Extent& section(Section which) { return sections[static_cast<std::size_t>(which)]; }
  std::uint64_t file_bytes() const { return section(Section::kChecksums).end(); }
  // Pages that have a checksum: all but those of the checksums themselves.
  std::size_t pages() const { return section(Section::kChecksums).offset / kPage; }
};

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t code_bytes(std::size_t dim);
std::size_t links_at(std::size_t dim);  // in a record
std::size_t record_bytes(const Shape& shape);

// The size of a section, or, for lists and ids, of which only that is known: a multiple of `unit` (1 for
// ids).
std::uint64_t section_bytes(const Header& header, Section section);
bool varies(Section section);

// Of page `number`, so that a page in another's place is not taken for right.
std::uint32_t page_sum(std::uint64_t number, Bytes page);

std::vector<std::byte> encode_header(const Header& header);
// Of the file's first bytes, up to a page, and its size.
// Errors: CorruptionError, UnsupportedFormat.
Header decode_header(Bytes page, std::uint64_t file_bytes, const Path& path);

[[noreturn]] void corrupt(const Path& path, std::uint64_t offset, const std::string& what);

}  // namespace engram::tier::format
