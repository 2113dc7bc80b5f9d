// Saving and loading. A file is checked before anything in it is believed: sizes against the header,
// checksums, and every number that is used as an index.

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/head.h"
#include "hnsw/format.h"
#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

using format::Section;

constexpr std::size_t kPiece = std::size_t{1} << 20;

struct Header {
  Options options;
  std::uint32_t slots = 0;
  Entry entry;
  float shift = 0;
  bool shifted = false;
  std::uint64_t youngest = 0;
};

std::vector<std::byte> encode_header(const Header& header) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(format::kMagic);
  writer.put(format::kVersion);
  writer.put(static_cast<std::uint32_t>(format::kHeaderBytes));
  writer.put(static_cast<std::uint32_t>(header.options.dim));
  writer.put(static_cast<std::uint8_t>(header.options.metric));
  writer.put(static_cast<std::uint8_t>(header.options.scalar));
  writer.put(static_cast<std::uint16_t>(header.shifted));
  writer.put(static_cast<std::uint32_t>(header.options.m));
  writer.put(static_cast<std::uint32_t>(header.options.ef_construction));
  writer.put(header.options.seed);
  writer.put(header.slots);
  writer.put(header.entry.slot);
  writer.put(static_cast<std::uint32_t>(header.entry.level));
  writer.put(header.shift);
  writer.put(header.youngest);
  out.resize(format::kHeaderBytes - 4);
  writer.put(crc32c(0, out));
  return out;
}

class Writer {
 public:
  explicit Writer(File& file) : file_(file) {}

  void header(const Header& header) {
    const std::vector<std::byte> bytes = encode_header(header);
    const std::array<Bytes, 1> parts{Bytes(bytes)};
    file_.write_at(0, parts);
    at_ = bytes.size();
  }

  // A section whose payload comes piece by piece from `produce(put)`.
  template <class Produce>
  void section(Section kind, Produce produce) {
    const std::uint64_t start = at_;
    at_ += format::kSectionBytes;
    std::uint32_t crc = 0;
    produce([&](Bytes piece) {
      crc = crc32c(crc, piece);
      const std::array<Bytes, 1> parts{piece};
      file_.write_at(at_, parts);
      at_ += piece.size();
    });
    const std::uint64_t size = at_ - start - format::kSectionBytes;
    std::vector<std::byte> head;
    ByteWriter writer(head);
    writer.put(static_cast<std::uint32_t>(kind));
    writer.put(crc);
    writer.put(size);
    head.resize(format::kSectionBytes - 4);
    writer.put(crc32c(0, head));
    const std::size_t padding = (format::kAlignment - at_ % format::kAlignment) % format::kAlignment;
    const std::vector<std::byte> zeros(padding);
    const std::array<Bytes, 1> parts{Bytes(head)};
    file_.write_at(start, parts);
    if (padding != 0) {
      const std::array<Bytes, 1> tail{Bytes(zeros)};
      file_.write_at(at_, tail);
      at_ += padding;
    }
  }

 private:
  File& file_;
  std::uint64_t at_ = 0;
};

class Reader {
 public:
  Reader(const File& file, const Path& path) : file_(file), path_(path.string()), size_(file.size()) {}

  [[noreturn]] void corrupt(std::uint64_t offset, const std::string& what) const {
    throw CorruptionError(path_, offset,
                          "index file " + path_ + " is damaged at byte " + std::to_string(offset) + ": " +
                              what + "; build the index again, or restore the file");
  }

  Header header() {
    std::array<std::byte, format::kHeaderBytes> bytes;
    const Bytes read = Bytes(bytes).first(file_.read_at(0, bytes));
    if (const char* const fault = fault_of_head(read, format::kHead, path_)) corrupt(0, fault);
    at_ = format::kHeaderBytes;
    return decode(bytes);
  }

  std::uint64_t position() const { return at_; }

  // A section of exactly `size` bytes, its payload taken piece by piece: consume(offset in it, bytes) gives
  // the memory to read into.
  template <class Place>
  void section(Section kind, std::uint64_t size, Place place) {
    const std::uint64_t start = at_;
    std::array<std::byte, format::kSectionBytes> head;
    if (file_.read_at(at_, head) != head.size()) corrupt(at_, "it ends before a section");
    if (load_le<std::uint32_t>(head.data() + format::kSectionBytes - 4) !=
        crc32c(0, std::span(head).first(format::kSectionBytes - 4))) {
      corrupt(at_, "a section header's checksum differs");
    }
    if (load_le<std::uint32_t>(head.data()) != static_cast<std::uint32_t>(kind) ||
        load_le<std::uint64_t>(head.data() + 8) != size) {
      corrupt(at_, "a section is not the one its header calls for");
    }
    at_ += format::kSectionBytes;
    if (size > size_ - std::min(size_, at_)) corrupt(size_, "it ends within a section");
    std::uint32_t crc = 0;
    for (std::uint64_t done = 0; done < size;) {
      const std::span<std::byte> into = place(done, std::min<std::uint64_t>(size - done, kPiece));
      if (file_.read_at(at_ + done, into) != into.size()) corrupt(at_ + done, "it ends within a section");
      crc = crc32c(crc, into);
      done += into.size();
    }
    if (crc != load_le<std::uint32_t>(head.data() + 4)) corrupt(start, "a section's checksum differs");
    at_ += size;
    at_ += (format::kAlignment - at_ % format::kAlignment) % format::kAlignment;
  }

 private:
  Header decode(Bytes bytes) const {
    ByteReader reader(bytes.subspan(16));
    Header header;
    header.options.dim = reader.get<std::uint32_t>();
    const auto metric = reader.get<std::uint8_t>();
    const auto scalar = reader.get<std::uint8_t>();
    header.shifted = reader.get<std::uint16_t>() != 0;
    header.options.m = reader.get<std::uint32_t>();
    header.options.ef_construction = reader.get<std::uint32_t>();
    header.options.seed = reader.get<std::uint64_t>();
    header.slots = reader.get<std::uint32_t>();
    header.entry.slot = reader.get<std::uint32_t>();
    header.entry.level = reader.get<std::uint32_t>();
    header.shift = reader.get<float>();
    header.youngest = reader.get<std::uint64_t>();
    if (metric > 2 || scalar > 2) corrupt(20, "its metric or number type is none that exists");
    header.options.metric = static_cast<Metric>(metric);
    header.options.scalar = static_cast<Scalar>(scalar);
    if (header.slots >= kMaxSlots || !std::isfinite(header.shift))
      corrupt(44, "its header holds impossible numbers");
    return header;
  }

  const File& file_;
  std::string path_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};

// Puts the first `slots` elements of an array as they lie in memory.
template <class Put>
void put_array(const ChunkedArray& array, std::size_t slots, Put put) {
  for (std::size_t i = 0; i < slots;) {
    const std::span<std::byte> piece = array.piece(i, slots - i);
    put(Bytes(piece));
    i += piece.size() / array.stride();
  }
}

void read_array(Reader& reader, Section kind, ChunkedArray& array, std::size_t slots) {
  const std::size_t stride = array.stride();
  reader.section(kind, std::uint64_t{slots} * stride, [&](std::uint64_t offset, std::uint64_t most) {
    const std::size_t element = offset / stride;
    const std::size_t inside = offset % stride;
    array.reserve(std::min<std::size_t>(element + most / stride + 1, slots - 1));
    const std::span<std::byte> piece = array.piece(element, slots - element).subspan(inside);
    return piece.first(std::min<std::size_t>(piece.size(), most));
  });
}

std::vector<std::byte> read_bytes(Reader& reader, Section kind, std::size_t size) {
  std::vector<std::byte> bytes;
  reader.section(kind, size, [&](std::uint64_t offset, std::uint64_t most) {
    bytes.resize(offset + most);  // only as the file proves to hold it
    return std::span(bytes).subspan(offset, most);
  });
  return bytes;
}

bool marked(Bytes bits, Slot slot) {
  return (std::to_integer<unsigned>(bits[slot / 8]) >> (slot % 8) & 1U) != 0;
}

}  // namespace

void Graph::Impl::save(File& file) const {
  auto& arrays = const_cast<Nodes&>(nodes);
  const std::uint32_t slots = used.load(std::memory_order_acquire);
  Writer writer(file);
  writer.header({.options = options,
                 .slots = slots,
                 .entry = entry_now(),
                 .shift = shift,
                 .shifted = slots != 0,
                 .youngest = youngest.load(std::memory_order_relaxed)});
  writer.section(Section::kRecords, [&](auto put) { put_array(arrays.records(), slots, put); });
  writer.section(Section::kVectors, [&](auto put) { put_array(arrays.vectors(), slots, put); });
  // Copied first: slots may die while they are saved, and what is written must be what its checksum is of.
  writer.section(Section::kLives, [&](auto put) {
    std::vector<std::byte> lives;
    ByteWriter out(lives);
    for (Slot slot = 0; slot < slots; ++slot) {
      out.put(nodes.born(slot));
      out.put(nodes.dead_at(slot).load(std::memory_order_acquire));
      if (lives.size() < kPiece && slot + 1 < slots) continue;
      put(Bytes(lives));
      lives.clear();
    }
  });
  std::vector<std::byte> levels(slots);
  for (Slot slot = 0; slot < slots; ++slot) {
    levels[slot] =
        static_cast<std::byte>(nodes.level(slot)) | (nodes.copies.test(slot) ? format::kCopy : std::byte{});
  }
  writer.section(Section::kLevels, [&](auto put) { put(Bytes(levels)); });
  writer.section(Section::kUpper, [&](auto put) {
    std::vector<std::byte> links;
    for (Slot slot = 0; slot < slots; ++slot) {
      for (std::size_t l = 1; l <= nodes.level(slot); ++l) {
        const Bytes bytes = std::as_bytes(nodes.links(slot, l));
        links.insert(links.end(), bytes.begin(), bytes.end());
        if (links.size() >= kPiece) put(Bytes(std::exchange(links, {})));
      }
    }
    put(Bytes(links));
  });
  writer.section(Section::kPresent, [&](auto put) {
    std::vector<std::byte> bits;
    ByteWriter out(bits);
    for (std::size_t w = 0; w < (slots + 63) / 64; ++w) out.put(nodes.present.word(w));
    put(Bytes(bits));
  });
}

// Of what a file holds, all that is not present counts as just retired. Some was free already: nothing leads
// to that, and its links, which nobody has mended since, may lead to slots that were used again.
void Graph::Impl::drop_stale_links() {
  std::vector<bool> reached(used.load(std::memory_order_relaxed));
  std::vector<Slot> open;
  const auto see = [&](Slot slot) {
    if (nodes.present.test(slot) || reached[slot]) return;
    reached[slot] = true;
    open.push_back(slot);
  };
  const auto follow = [&](Slot slot) {
    if (nodes.copies.test(slot)) return;
    for (std::size_t l = 0; l <= nodes.level(slot); ++l) {
      for (const Slot& link : nodes.links(slot, l)) {
        if (load_link(link) == kNoSlot) break;
        see(load_link(link));
      }
    }
  };
  each_present(follow);
  if (const Entry from = entry_now(); !from.none()) see(from.slot);
  while (!open.empty()) {
    const Slot slot = open.back();
    open.pop_back();
    follow(slot);
  }
  for (const Slot slot : retired) {
    if (!reached[slot]) nodes.clear_links(slot);
    if (nodes.copies.test(slot)) continue;
    for (const Slot& link : nodes.level0(slot)) {
      const Slot to = load_link(link);
      if (to != kNoSlot && !nodes.copies.test(to)) nodes.add_link_to(to);
    }
  }
}

std::unique_ptr<Graph> Graph::load(const File& file, const Path& path) {
  Reader reader(file, path);
  const Header header = reader.header();
  std::unique_ptr<Graph> graph;
  try {
    graph = std::make_unique<Graph>(header.options);
  } catch (const InvalidInput& error) {
    reader.corrupt(16, error.what());
  }
  Impl& impl = *graph->impl_;
  Nodes& nodes = impl.nodes;
  const std::size_t slots = header.slots;
  read_array(reader, Section::kRecords, nodes.records(), slots);
  read_array(reader, Section::kVectors, nodes.vectors(), slots);
  read_array(reader, Section::kLives, nodes.lives(), slots);
  const std::uint64_t levels_at = reader.position();
  const std::vector<std::byte> levels = read_bytes(reader, Section::kLevels, slots);
  std::uint64_t towers = 0;
  for (Slot slot = 0; slot < slots; ++slot) {
    const auto level = std::to_integer<std::size_t>(levels[slot] & ~format::kCopy);
    if (level > format::kMostLevels)
      reader.corrupt(levels_at, "a node has " + std::to_string(level) + " levels");
    nodes.reserve(slot);
    nodes.write_sketch(slot);
    if ((levels[slot] & format::kCopy) != std::byte{}) nodes.copies.set(slot);
    towers += level;
  }
  const std::size_t list = impl.options.m * sizeof(Slot);
  const std::vector<std::byte> upper = read_bytes(reader, Section::kUpper, towers * list);
  const std::uint64_t present_at = reader.position();
  const std::vector<std::byte> present = read_bytes(reader, Section::kPresent, (slots + 63) / 64 * 8);

  for (Slot slot = 0; slot < slots; ++slot) {
    nodes.raise(slot, std::to_integer<std::size_t>(levels[slot] & ~format::kCopy));
  }
  const std::byte* from = upper.data();  // of the links of the next upper level
  for (Slot slot = 0; slot < slots; ++slot) {
    const bool here = marked(present, slot);
    for (std::size_t l = 0; l <= nodes.level(slot); ++l) {
      const std::span<Slot> links = nodes.links(slot, l);
      if (l > 0) {
        std::memcpy(links.data(), from, list);
        from += list;
      }
      bool ended = false;
      for (Slot& link : links) {
        // What lies behind a list's end is nobody's yet, but would be read once the list grows over its end.
        ended = ended || link == kNoSlot;
        if (ended) {
          link = kNoSlot;
          continue;
        }
        const Slot to = link;
        if (to >= slots || nodes.level(to) < l) {
          reader.corrupt(format::kHeaderBytes, "node " + std::to_string(slot) + " links to node " +
                                                   std::to_string(to) + ", which is not there");
        }
        if (l == 0 && here && !nodes.copies.test(slot) && !nodes.copies.test(to)) nodes.add_link_to(to);
      }
    }
  }
  impl.used.store(header.slots, std::memory_order_release);
  for (Slot slot = 0; slot < (slots + 63) / 64 * 64; ++slot) {
    if (!marked(present, slot)) continue;
    if (slot >= slots) reader.corrupt(present_at, "a slot beyond the last is marked as there");
    nodes.present.set(slot);
    if (!nodes.copies.test(slot)) nodes.linked.set(slot);
    impl.present.fetch_add(1, std::memory_order_relaxed);
    if (nodes.dead_at(slot).load(std::memory_order_relaxed) == kAlive) {
      nodes.alive.set(slot);
      impl.alive.fetch_add(1, std::memory_order_relaxed);
    }
  }
  impl.each_present([&](Slot slot) {
    if (!nodes.copies.test(slot) || impl.in_chain(slot)) return;
    reader.corrupt(levels_at, "node " + std::to_string(slot) + " is a copy in no chain of copies");
  });
  for (Slot slot = 0; slot < slots; ++slot) {
    if (nodes.present.test(slot)) continue;
    nodes.leaving.set(slot);
    impl.retired.push_back(slot);
  }
  const Entry entry = header.entry;
  const bool entered = !entry.none() && entry.slot < slots && nodes.level(entry.slot) >= entry.level;
  if (!entered && (!entry.none() || impl.present.load() != 0)) reader.corrupt(48, "its entry is not there");
  if (header.shifted) {
    std::call_once(impl.shift_chosen, [&] { impl.shift = header.shift; });
  }
  impl.youngest.store(header.youngest, std::memory_order_relaxed);
  impl.entry.store(entry.packed(), std::memory_order_release);
  if (!impl.retired.empty()) impl.drop_stale_links();
  impl.judge_loaded();
  return graph;
}

}  // namespace engram::hnsw
