#include "tier/format.h"

#include <cmath>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "hnsw/slot.h"
#include "simd/kernels.h"

namespace engram::tier::format {
namespace {

constexpr std::size_t kSumAt = kPage - 4;

bool in_range(const Header& header) {
  const Shape& shape = header.shape;
  if (shape.dim < 1 || shape.dim > simd::kMaxDimension || shape.metric > hnsw::Metric::kIp) return false;
  if (shape.m < 2 || shape.m > 512 || shape.ef_construction < 1 || shape.ef_construction > 100'000)
    return false;
  if (header.rows < 1 || header.rows > kMaxRows || !std::isfinite(header.shift)) return false;
  const bool cold = header.kind == Kind::kCold;
  if (cold ? header.lists < 1 || header.lists > header.rows : header.lists != 0) return false;
  std::size_t below = cold ? 0 : header.rows;
  for (const std::uint32_t rows : header.level_rows) {
    if (rows > below) return false;
    below = rows;
  }
  return true;
}

// Sections follow each other in the order of their kinds, each at the next page.
bool in_order(const Header& header) {
  std::uint64_t at = kPage;
  for (std::size_t i = 0; i < kSections; ++i) {
    const auto which = static_cast<Section>(i);
    const Extent& extent = header.sections[i];
    if (extent.offset != at || extent.bytes > (std::uint64_t{1} << 60)) return false;
    if (!varies(which) && extent.bytes != section_bytes(header, which)) return false;
    at = round_up(extent.end(), kPage);
  }
  const Extent& lists = header.section(Section::kLists);
  return lists.bytes % kPage == 0 && (header.kind == Kind::kCold) == (lists.bytes != 0);
}

}  // namespace

std::size_t code_bytes(std::size_t dim) {
  return simd::kCodeHeaderBytes + dim;
}

std::size_t links_at(std::size_t dim) {
  return round_up(code_bytes(dim), sizeof(hnsw::Slot));
}

std::size_t record_bytes(const Shape& shape) {
  return round_up(links_at(shape.dim) + 2 * shape.m * sizeof(hnsw::Slot), 16);
}

bool varies(Section section) {
  return section == Section::kIds || section == Section::kLists;
}

std::uint64_t section_bytes(const Header& header, Section section) {
  const std::uint64_t rows = header.rows;
  const bool warm = header.kind == Kind::kWarm;
  switch (section) {
    case Section::kKeys:
    case Section::kHashes:
      return rows * 8;
    case Section::kTags:
      return rows * sizeof(Tag);
    case Section::kVectors:
      return rows * header.shape.dim * sizeof(float);
    case Section::kRecords:
      return warm ? rows * record_bytes(header.shape) : 0;
    case Section::kUpper: {
      std::uint64_t lists = 0;
      for (const std::uint32_t on_level : header.level_rows) lists += on_level;
      return lists * header.shape.m * sizeof(hnsw::Slot);
    }
    case Section::kCentroids:
      return header.lists * code_bytes(header.shape.dim);
    case Section::kListEnds:
      return header.lists * sizeof(Row);
    case Section::kChecksums:
      return (header.pages() + kSumsInPage - 1) / kSumsInPage * kPage;
    case Section::kIds:
    case Section::kLists:
      break;
  }
  return header.section(section).bytes;
}

std::uint32_t page_sum(std::uint64_t number, Bytes page) {
  std::array<std::byte, 8> seed;
  store_le(seed.data(), number);
  return crc32c(crc32c(0, seed), page);
}

std::vector<std::byte> encode_header(const Header& header) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(static_cast<std::uint32_t>(header.kind));
  writer.put(static_cast<std::uint64_t>(header.rows));
  writer.put(static_cast<std::uint64_t>(header.lists));
  writer.put(static_cast<std::uint32_t>(header.shape.dim));
  writer.put(static_cast<std::uint32_t>(header.shape.metric));
  writer.put(static_cast<std::uint32_t>(header.shape.m));
  writer.put(static_cast<std::uint32_t>(header.shape.ef_construction));
  writer.put(header.shape.seed);
  writer.put(header.shift);
  writer.put(std::uint32_t{0});
  for (const std::uint32_t rows : header.level_rows) writer.put(rows);
  for (const Extent& extent : header.sections) {
    writer.put(extent.offset);
    writer.put(extent.bytes);
  }
  out.resize(kSumAt);
  writer.put(crc32c(0, out));
  return out;
}

Header decode_header(Bytes page, std::uint64_t file_bytes, const Path& path) {
  if (page.size() < 8 || load_le<std::uint64_t>(page.data()) != kMagic)
    corrupt(path, 0, "it does not begin as a segment does");
  if (page.size() < kPage) corrupt(path, page.size(), "it ends within its header");
  if (load_le<std::uint32_t>(page.data() + kSumAt) != crc32c(0, page.first(kSumAt)))
    corrupt(path, 0, "its header's checksum differs");
  ByteReader reader(page.subspan(8));
  if (const auto version = reader.get<std::uint32_t>(); version != kVersion) {
    throw UnsupportedFormat("segment " + path.string() + " has format version " + std::to_string(version) +
                            ", this Engram reads version " + std::to_string(kVersion) +
                            ": use the Engram that wrote it, or a newer one");
  }
  Header header;
  const auto kind = reader.get<std::uint32_t>();
  header.kind = static_cast<Kind>(kind);
  header.rows = reader.get<std::uint64_t>();
  header.lists = reader.get<std::uint64_t>();
  header.shape.dim = reader.get<std::uint32_t>();
  const auto metric = reader.get<std::uint32_t>();
  header.shape.metric = static_cast<hnsw::Metric>(metric);
  header.shape.m = reader.get<std::uint32_t>();
  header.shape.ef_construction = reader.get<std::uint32_t>();
  header.shape.seed = reader.get<std::uint64_t>();
  header.shift = reader.get<float>();
  reader.get<std::uint32_t>();
  for (std::uint32_t& rows : header.level_rows) rows = reader.get<std::uint32_t>();
  for (Extent& extent : header.sections) {
    extent.offset = reader.get<std::uint64_t>();
    extent.bytes = reader.get<std::uint64_t>();
  }
  const bool known = (kind == 1 || kind == 2) && metric <= 2;
  if (!known || !in_range(header) || !in_order(header))
    corrupt(path, 0, "its header holds impossible numbers");
  if (file_bytes != header.file_bytes()) {
    corrupt(path, std::min(file_bytes, header.file_bytes()),
            "it has " + std::to_string(file_bytes) + " bytes, " + std::to_string(header.file_bytes()) +
                " by its header");
  }
  return header;
}

void corrupt(const Path& path, std::uint64_t offset, const std::string& what) {
  throw CorruptionError(path.string(), offset,
                        "segment " + path.string() + " is damaged at byte " + std::to_string(offset) + ": " +
                            what + "; run `engram repair` to keep what can be kept");
}

}  // namespace engram::tier::format
