// A fuzz target (libFuzzer, or tests/fuzz_main.cpp) for the reading of a log: whatever its bytes, opening it
// yields a prefix of what was appended, or a CorruptionError or UnsupportedFormat, and never anything else.
//
// The input is a list of edits to the two segments of a real log. An edit may put right the checksum of the
// header it hit, for no mutation finds one.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fault_file.h"
#include "wal/format.h"
#include "wal/log.h"

namespace engram::wal {
namespace {

const Path kFolder = "/wal";
const std::array<const char*, 2> kSegments{"00000001.wal", "00000002.wal"};
constexpr std::size_t kEditable = 1024;

using Texts = std::vector<std::string>;

Options small() {
  Options options;
  options.segment_bytes = 4096;
  options.ring_bytes = 4096;
  return options;
}

struct Original {
  std::unique_ptr<FaultFileSystem> files;
  Texts texts;
};

Original make_original() {
  Original made;
  FaultFileSystem living;
  std::mt19937_64 random(1);
  for (int life = 0; life < 2; ++life) {
    const std::unique_ptr<Log> log =
        Log::open(living, kFolder, small(), 0, [](const Record&) {}, [](std::span<const Record>) {});
    for (int i = 0; i < 5; ++i) {
      made.texts.emplace_back(random() % 100, static_cast<char>('a' + i + 10 * life));
      log->append(std::as_bytes(std::span(made.texts.back())), std::nullopt, 0);
    }
    made.files = living.after_kill();  // while the log is still open
  }
  return made;
}

// Makes the header at `at`, whichever it could be, say that it is whole.
void put_checksum_right(std::vector<std::byte>& bytes, std::size_t at, bool of_group) {
  if (of_group && at + kGroupHeaderBytes <= bytes.size()) {
    const std::uint32_t magic = crc32c(0, Bytes(bytes).subspan(at, 4));
    store_le(bytes.data() + at + 4, crc32c(magic, Bytes(bytes).subspan(at + 8, kGroupHeaderBytes - 8)));
  } else if (bytes.size() >= kSegmentHeaderBytes) {
    store_le(bytes.data() + 60, crc32c(0, Bytes(bytes).first(60)));
  }
}

void edit(FaultFileSystem& files, ByteReader& input) {
  const auto how = input.get<std::uint8_t>();
  const auto at = input.get<std::uint16_t>() % kEditable;
  const Bytes with = input.get_bytes(std::min<std::size_t>(how >> 4, input.left()));
  const std::unique_ptr<File> file = files.open(kFolder / kSegments[how & 1], OpenMode::kReadWrite);
  std::vector<std::byte> bytes(kEditable + 16);
  bytes.resize(file->read_at(0, bytes));
  for (std::size_t i = 0; i < with.size() && at + i < bytes.size(); ++i) bytes[at + i] = with[i];
  if (how & 2) put_checksum_right(bytes, at / kAlignment * kAlignment, true);
  if (how & 4) put_checksum_right(bytes, 0, false);
  if (how & 8) {
    file->truncate(at);
    bytes.resize(std::min<std::size_t>(bytes.size(), at));
  }
  file->write_at(0, std::array<Bytes, 1>{bytes});
}

void check(FileSystem& files, bool read_only, const Texts& appended) {
  Texts texts;
  Options options = small();
  options.read_only = read_only;
  const auto replay = [&](const Record& record) {
    texts.emplace_back(reinterpret_cast<const char*>(record.payload.data()), record.payload.size());
  };
  try {
    Log::open(files, kFolder, options, 0, replay, [](std::span<const Record>) {});
  } catch (const CorruptionError&) {
  } catch (const UnsupportedFormat&) {
  }
  if (texts.size() > appended.size() || !std::equal(texts.begin(), texts.end(), appended.begin())) {
    std::fputs("read something that was never appended there\n", stderr);
    std::abort();
  }
}

}  // namespace
}  // namespace engram::wal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const engram::wal::Original original = engram::wal::make_original();
  const std::unique_ptr<engram::FaultFileSystem> files = original.files->after_kill();
  engram::ByteReader input(std::as_bytes(std::span(data, size)));
  while (input.left() > 0 && input.ok()) engram::wal::edit(*files, input);
  engram::wal::check(*files, true, original.texts);
  engram::wal::check(*files, false, original.texts);
  return 0;
}
