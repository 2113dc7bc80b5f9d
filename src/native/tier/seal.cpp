// Writing a segment.

#include <cerrno>
#include <string>

#include "base/error.h"
#include "simd/kernels.h"
#include "tier/layout.h"
#include "tier/page_writer.h"
#include "tier/segment.h"

namespace engram::tier {
namespace {

using format::Section;

void check(const Shape& shape, std::span<const RowIn> rows) {
  if (shape.dim < 1 || shape.dim > simd::kMaxDimension)
    throw InvalidInput("dim is " + std::to_string(shape.dim) + ": choose one from 1 to 65536");
  if (shape.m < 2 || shape.m > 512)
    throw InvalidInput("M is " + std::to_string(shape.m) + ": choose one from 2 to 512");
  if (shape.ef_construction < 1 || shape.ef_construction > 100'000) {
    throw InvalidInput("ef_construction is " + std::to_string(shape.ef_construction) +
                       ": choose one from 1 to 100000");
  }
  if (rows.empty() || rows.size() > kMaxRows) {
    throw InvalidInput("a segment of " + std::to_string(rows.size()) + " rows: give it 1 to " +
                       std::to_string(kMaxRows));
  }
  for (const RowIn& row : rows) {
    if (row.id.size() > kMaxIdLength)
      throw InvalidInput("an id has " + std::to_string(row.id.size()) +
                         " bytes: " + std::to_string(kMaxIdLength) + " at most");
  }
}

void write_columns(PageWriter& writer, std::size_t dim, std::span<const RowIn> rows,
                   std::span<const std::uint32_t> order) {
  writer.begin(Section::kKeys);
  for (const std::uint32_t i : order) writer.put_value(rows[i].key);
  writer.begin(Section::kHashes);
  for (const std::uint32_t i : order) writer.put_value(rows[i].hash);
  writer.begin(Section::kTags);
  std::uint64_t first = 0;
  for (const std::uint32_t i : order) {
    writer.put_value(format::Tag{.confidence = rows[i].confidence, .id = first << 16 | rows[i].id.size()});
    first += rows[i].id.size();
  }
  writer.begin(Section::kIds);
  for (const std::uint32_t i : order) writer.put(std::as_bytes(std::span(rows[i].id)));
  writer.begin(Section::kVectors);
  for (const std::uint32_t i : order) writer.put(std::as_bytes(std::span(rows[i].vector, dim)));
}

void write_segment(File& file, Kind kind, const Shape& shape, std::span<const RowIn> rows,
                   const SealOptions& options) {
  const std::unique_ptr<Layout> layout =
      kind == Kind::kWarm ? lay_out_warm(shape, rows, options) : lay_out_cold(shape, rows, options);
  format::Header header;
  header.kind = kind;
  header.shape = shape;
  header.rows = rows.size();
  layout->describe(header);
  PageWriter writer(file, options.breathe);
  write_columns(writer, shape.dim, rows, layout->order());
  layout->write(writer);
  writer.finish(header);
  file.sync_data();
}

}  // namespace

void seal(FileSystem& files, const Path& path, Kind kind, const Shape& shape, std::span<const RowIn> rows,
          const SealOptions& options) {
  check(shape, rows);
  const std::unique_ptr<File> file = files.open(path, OpenMode::kCreate);
  try {
    write_segment(*file, kind, shape, rows, options);
  } catch (const IoError& error) {
    discard(files, path);
    if (error.code != ENOSPC && error.code != EDQUOT) throw;
    throw OutOfSpace(std::string(error.what()) + "; nothing was moved: free some space");
  } catch (...) {
    discard(files, path);
    throw;
  }
}

}  // namespace engram::tier
