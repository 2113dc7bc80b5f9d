#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <stdexcept>

#include "base/error.h"

namespace engram {
namespace {

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "engram-file-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  Path at(const std::string& name) const { return folder_ / name; }
  std::unique_ptr<File> create(const std::string& name, std::string_view text = "") {
    auto file = files_.open(at(name), OpenMode::kCreate);
    write(*file, 0, text);
    return file;
  }
  static void write(File& file, std::uint64_t offset, std::string_view text) {
    const Bytes part = bytes_of(text);
    file.write_at(offset, {&part, 1});
  }
  static std::string read(const File& file, std::uint64_t offset = 0, std::size_t most = 1 << 20) {
    std::string text(most, '?');
    text.resize(file.read_at(offset, std::as_writable_bytes(std::span(text))));
    return text;
  }
  // The error number of the IoError that `call` throws, which names `path`; 0 when nothing is thrown.
  template <class Call>
  static int code_of(const Path& path, Call&& call) {
    try {
      call();
    } catch (const IoError& error) {
      EXPECT_EQ(error.path, path.string());
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
      return error.code;
    }
    return 0;
  }

  FileSystem& files_ = FileSystem::system();
  Path folder_;
};

// --- reading and writing ---

TEST_F(FileTest, WhatIsWrittenIsReadAndShortOnlyAtTheEnd) {
  const auto file = create("a", "0123456789");
  EXPECT_EQ(read(*file), "0123456789");
  EXPECT_EQ(read(*file, 3, 4), "3456");
  EXPECT_EQ(read(*file, 8, 4), "89");
  EXPECT_EQ(read(*file, 10, 4), "");
  EXPECT_EQ(read(*file, 1'000'000, 4), "");
  EXPECT_EQ(file->size(), 10u);
}

TEST_F(FileTest, PartsAreWrittenOneAfterAnother) {
  std::mt19937_64 random(1);
  for (const std::size_t count : {0, 1, 63, 64, 65, 200, 1500}) {  // more than one system call takes
    std::vector<std::string> texts(count);
    std::string whole = "prefix";
    std::vector<Bytes> parts;
    for (std::string& text : texts) {
      text.assign(random() % 50, static_cast<char>('a' + random() % 26));  // some of them empty
      whole += text;
    }
    for (const std::string& text : texts) parts.push_back(bytes_of(text));
    const auto file = create("parts" + std::to_string(count), "prefix");
    file->write_at(6, parts);
    EXPECT_EQ(read(*file), whole) << "seed 1, " << count << " parts";
  }
}

TEST_F(FileTest, WritingBehindTheEndLeavesZeros) {
  const auto file = create("a", "x");
  write(*file, 4, "y");
  EXPECT_EQ(read(*file), std::string("x\0\0\0y", 5));
}

// The system takes half of the write, then none: all that fits must be there, in order, and the error told.
TEST_F(FileTest, AShortWriteIsContinuedUntilItFails) {
  const auto file = create("a");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {100, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string first(70, 'a'), second(20, 'b'), third(50, 'c');
  const Bytes parts[] = {bytes_of(first), bytes_of(second), bytes_of(third)};
  const int code = code_of(at("a"), [&] { file->write_at(0, parts); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);

  EXPECT_EQ(code, EFBIG);
  EXPECT_EQ(read(*file), first + second + std::string(10, 'c'));
}

TEST_F(FileTest, OffsetsThatDoNotFitAreRefused) {
  const auto file = create("a", "x");
  const std::uint64_t most = ~std::uint64_t{0};
  for (const std::uint64_t offset : {most, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 2}) {
    EXPECT_EQ(code_of(at("a"), [&] { write(*file, offset, "four"); }), EOVERFLOW);
    EXPECT_EQ(code_of(at("a"), [&] { read(*file, offset, 4); }), EOVERFLOW);
    EXPECT_EQ(code_of(at("a"), [&] { file->allocate(offset, 4); }), EOVERFLOW);
  }
  EXPECT_EQ(code_of(at("a"), [&] { file->truncate(most); }), EOVERFLOW);
  EXPECT_EQ(read(*file), "x");
}

// --- opening ---

TEST_F(FileTest, ModesSayWhetherAFileMustExist) {
  create("there", "old");
  EXPECT_EQ(code_of(at("there"), [&] { files_.open(at("there"), OpenMode::kCreate); }), EEXIST);
  EXPECT_EQ(code_of(at("none"), [&] { files_.open(at("none"), OpenMode::kRead); }), ENOENT);
  EXPECT_EQ(code_of(at("none"), [&] { files_.open(at("none"), OpenMode::kReadWrite); }), ENOENT);
  EXPECT_FALSE(files_.exists(at("none")));
  EXPECT_EQ(read(*files_.open(at("there"), OpenMode::kOpenOrCreate)), "old");
  EXPECT_EQ(read(*files_.open(at("new"), OpenMode::kOpenOrCreate)), "");
  EXPECT_TRUE(files_.exists(at("new")));
}

TEST_F(FileTest, AFileOpenedForReadingIsNotWritten) {
  create("a", "old");
  const auto file = files_.open(at("a"), OpenMode::kRead);
  EXPECT_EQ(code_of(at("a"), [&] { write(*file, 0, "new"); }), EBADF);
  EXPECT_EQ(read(*file), "old");
}

TEST_F(FileTest, DescriptorsAreClosedWithTheirFileAndNotInherited) {
  const int before = dup(0);
  close(before);
  {
    const auto file = create("a");
    EXPECT_NE(fcntl(before, F_GETFD) & FD_CLOEXEC, 0);  // the lowest free number is the one it took
  }
  EXPECT_EQ(fcntl(before, F_GETFD), -1);
}

TEST_F(FileTest, AnAbandonedFileIsClosed) {
  const auto file = create("a", "x");
  file->abandon();
  EXPECT_EQ(code_of(at("a"), [&] { read(*file); }), EBADF);
  EXPECT_EQ(code_of(at("a"), [&] { file->sync_data(); }), EBADF);
  file->abandon();
}

// --- size and room ---

TEST_F(FileTest, TruncateShortensAndExtends) {
  const auto file = create("a", "0123456789");
  file->truncate(4);
  EXPECT_EQ(read(*file), "0123");
  file->truncate(6);
  EXPECT_EQ(read(*file), std::string("0123\0\0", 6));
}

TEST_F(FileTest, AllocateExtendsByZerosAndKeepsWhatIsThere) {
  const auto file = create("a", "0123");
  file->allocate(2, 10'000);
  EXPECT_EQ(file->size(), 10'002u);
  EXPECT_EQ(read(*file), "0123" + std::string(9'998, '\0'));
  file->allocate(0, 100);  // never shortens
  EXPECT_EQ(file->size(), 10'002u);
  file->allocate(50'000, 0);
  EXPECT_EQ(file->size(), 10'002u);
}

TEST_F(FileTest, SyncTakesWhatWasWritten) {
  const auto file = create("a", "x");
  file->sync_data();
  files_.sync_folder(folder_);
  EXPECT_EQ(code_of(at("none"), [&] { files_.sync_folder(at("none")); }), ENOENT);
}

// --- mapping ---

TEST_F(FileTest, AMappingShowsTheFileAndOutlivesIt) {
  std::string text(100'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  auto file = create("a", text);
  const auto mapping = file->map();
  file.reset();
  files_.remove(at("a"));
  const Bytes bytes = mapping->bytes();
  ASSERT_EQ(bytes.size(), text.size());
  EXPECT_EQ(std::memcmp(bytes.data(), text.data(), text.size()), 0);
}

TEST_F(FileTest, AdviceChangesNothingOfWhatIsRead) {
  std::string text(300'000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  const auto file = create("a", text);
  const auto mapping = file->map();
  for (const Advice advice : {Advice::kRandom, Advice::kWillNeed, Advice::kDontNeed}) {
    file->advise(0, 0, advice);
    file->advise(4097, 9000, advice);
    file->advise(1'000'000, 10, advice);
    file->advise(~std::uint64_t{0}, 1, advice);
    EXPECT_EQ(read(*file), text);
  }
  mapping->expect_random(5000, 10'000);
  mapping->expect_random(1'000'000, 1);
  mapping->expect_random(0, ~std::uint64_t{0});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapping->bytes().data()), text.size()), text);
}

TEST_F(FileTest, AnEmptyFileMapsToNothing) {
  EXPECT_TRUE(create("a")->map()->bytes().empty());
}

// --- locks ---

TEST_F(FileTest, ALockKeepsOthersOutUntilItsFileIsClosed) {
  auto holder = create("a");
  const auto other = files_.open(at("a"), OpenMode::kReadWrite);
  EXPECT_TRUE(holder->try_lock(LockMode::kExclusive));
  EXPECT_FALSE(other->try_lock(LockMode::kExclusive));
  EXPECT_FALSE(other->try_lock(LockMode::kShared));
  holder.reset();
  EXPECT_TRUE(other->try_lock(LockMode::kExclusive));
}

TEST_F(FileTest, SharedLocksShareAndKeepAWriterOut) {
  const auto writer = create("a");
  const auto one = files_.open(at("a"), OpenMode::kRead), two = files_.open(at("a"), OpenMode::kRead);
  EXPECT_TRUE(one->try_lock(LockMode::kShared));
  EXPECT_TRUE(two->try_lock(LockMode::kShared));
  EXPECT_FALSE(writer->try_lock(LockMode::kExclusive));
}

TEST_F(FileTest, AChildThatAbandonsLeavesTheLockToItsParent) {
  const auto file = create("a");
  ASSERT_TRUE(file->try_lock(LockMode::kExclusive));
  const pid_t child = fork();
  if (child == 0) {
    file->abandon();
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(files_.open(at("a"), OpenMode::kReadWrite)->try_lock(LockMode::kShared));
}

TEST_F(FileTest, AKilledHolderFreesTheLock) {
  create("a");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto file = files_.open(at("a"), OpenMode::kReadWrite);
    const char locked = file->try_lock(LockMode::kExclusive) ? 'y' : 'n';
    if (::write(ready[1], &locked, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char locked = '?';
  ASSERT_EQ(::read(ready[0], &locked, 1), 1);
  EXPECT_EQ(locked, 'y');
  const auto file = files_.open(at("a"), OpenMode::kReadWrite);
  EXPECT_FALSE(file->try_lock(LockMode::kExclusive));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(file->try_lock(LockMode::kExclusive));
  close(ready[0]);
  close(ready[1]);
}

// --- names ---

TEST_F(FileTest, RenameReplaces) {
  create("from", "new");
  create("to", "old");
  files_.rename(at("from"), at("to"));
  EXPECT_FALSE(files_.exists(at("from")));
  EXPECT_EQ(read(*files_.open(at("to"), OpenMode::kRead)), "new");
  EXPECT_EQ(code_of(at("none"), [&] { files_.rename(at("none"), at("to")); }), ENOENT);
}

TEST_F(FileTest, RemoveTakesAwayAndTellsWhatIsNotThere) {
  create("a");
  files_.remove(at("a"));
  EXPECT_FALSE(files_.exists(at("a")));
  EXPECT_EQ(code_of(at("a"), [&] { files_.remove(at("a")); }), ENOENT);
}

TEST_F(FileTest, MakeFolderIsContentWithAFolderButNotWithAFile) {
  files_.make_folder(at("sub"));
  files_.make_folder(at("sub"));
  EXPECT_TRUE(files_.exists(at("sub")));
  create("file");
  EXPECT_EQ(code_of(at("file"), [&] { files_.make_folder(at("file")); }), EEXIST);
  EXPECT_EQ(code_of(at("x/y"), [&] { files_.make_folder(at("x/y")); }), ENOENT);
}

TEST_F(FileTest, ListGivesSortedNames) {
  for (const char* name : {"b", "a", "10", "9", ".hidden", "caf\xC3\xA9"}) create(name);
  files_.make_folder(at("folder"));
  const std::vector<std::string> expected = {".hidden", "10", "9", "a", "b", "caf\xC3\xA9", "folder"};
  EXPECT_EQ(files_.list(folder_), expected);
  EXPECT_EQ(code_of(at("none"), [&] { files_.list(at("none")); }), ENOENT);
  EXPECT_EQ(code_of(at("a"), [&] { files_.list(at("a")); }), ENOTDIR);
}

TEST_F(FileTest, NothingExistsBelowAFile) {
  create("a");
  EXPECT_FALSE(files_.exists(at("a/b")));
}

// --- what is no file ---

TEST_F(FileTest, WhatLiesInTheFilesPlaceIsNamedAndNeverWaitedFor) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  files_.make_folder(at("folder"));
  std::filesystem::create_symlink("/dev/zero", at("device"));
  std::filesystem::create_symlink("pipe", at("link"));
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_NE(descriptor, -1);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(at("socket").string().size(), sizeof(address.sun_path));
  std::strcpy(address.sun_path, at("socket").c_str());
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);

  for (const char* name : {"pipe", "folder", "device", "link", "socket"}) {
    for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite, OpenMode::kOpenOrCreate}) {
      try {
        files_.open(at(name), mode);
        ADD_FAILURE() << name << " was opened";
      } catch (const CorruptionError& error) {
        EXPECT_EQ(error.file, at(name).string());
        EXPECT_NE(std::string(error.what()).find("where a regular file belongs"), std::string::npos);
      }
    }
  }
  ::close(descriptor);
}

// --- write_atomically ---

TEST_F(FileTest, WriteAtomicallyCreatesAndReplaces) {
  for (const char* text : {"one", "two"}) {
    write_atomically(files_, at("a"), [&](File& file) { write(file, 0, text); });
    EXPECT_EQ(read(*files_.open(at("a"), OpenMode::kRead)), text);
  }
  EXPECT_EQ(files_.list(folder_), std::vector<std::string>{"a"});
}

TEST_F(FileTest, WriteAtomicallyTakesNothingFromWhatACrashLeft) {
  create("a.tmp", "what a crash left behind");
  write_atomically(files_, at("a"), [&](File& file) { write(file, 0, "new"); });
  EXPECT_EQ(read(*files_.open(at("a"), OpenMode::kRead)), "new");
}

TEST_F(FileTest, AWriteThatFailsLeavesTheOldFileAlone) {
  create("a", "old");
  EXPECT_THROW(write_atomically(files_, at("a"),
                                [&](File& file) {
                                  write(file, 0, "half");
                                  throw std::runtime_error("no");
                                }),
               std::runtime_error);
  EXPECT_EQ(read(*files_.open(at("a"), OpenMode::kRead)), "old");
  EXPECT_EQ(files_.list(folder_), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace engram
