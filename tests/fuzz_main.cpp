// Runs a fuzz target where there is no libFuzzer (it comes with clang alone): inputs made by mutating earlier
// ones, without the guidance of coverage. Takes of libFuzzer's arguments those that our callers use:
//
//   ROOM_fuzz [-max_total_time=SECONDS] [-seed=NUMBER] [FILE...]
//
// Prints the seed; an input that kills the process is left in crash-SEED-RUN. FILEs are run, and nothing
// else.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kLargest = 512;
constexpr std::size_t kPool = 256;

Input current;
std::string left_in;  // where an input that kills is left

// Only calls that a dying process may still make.
void leave_input() {
  if (left_in.empty()) return;
  if (std::FILE* const file = std::fopen(left_in.c_str(), "wb")) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
    std::fprintf(stderr, "the input is in %s\n", left_in.c_str());
  }
}

void on_signal(int number) {
  leave_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  Input next() {
    Input input = pool_.empty() ? Input() : pool_[below(pool_.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) mutate(input);
    if (input.size() > kLargest) input.resize(kLargest);
    if (pool_.size() < kPool) {
      pool_.push_back(input);
    } else if (below(16) == 0) {
      pool_[below(kPool)] = input;
    }
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  void mutate(Input& input) {
    static constexpr std::array<std::uint8_t, 6> kTelling{0x00, 0xFF, 0x7F, 0x80, 0x01, 0x10};
    const std::size_t at = below(input.size() + 1);
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(5)) {
      case 0:
        input.insert(begin, 1 + below(8), static_cast<std::uint8_t>(random_()));
        break;
      case 1:
        input.erase(begin, begin + static_cast<std::ptrdiff_t>(below(input.size() - at + 1)));
        break;
      case 2:
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 3:
        if (at < input.size()) input[at] = kTelling[below(kTelling.size())];
        break;
      default:
        for (std::size_t n = 4 + below(12); n > 0; --n) input.push_back(static_cast<std::uint8_t>(random_()));
    }
  }

  std::mt19937_64 random_;
  std::vector<Input> pool_;
};

int run_files(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "cannot read %s\n", file.c_str());
      return 2;
    }
    current.assign(std::istreambuf_iterator<char>(in), {});
    LLVMFuzzerTestOneInput(current.data(), current.size());
  }
  return 0;
}

void run(std::uint64_t seed, double seconds) {
  using Clock = std::chrono::steady_clock;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(&leave_input);
  std::signal(SIGABRT, &on_signal);
  Mutator mutator(seed);
  std::uint64_t runs = 0;
  const Clock::time_point begin = Clock::now();
  for (; std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++runs) {
    current = mutator.next();
    left_in = "crash-" + std::to_string(seed) + "-" + std::to_string(runs);
    LLVMFuzzerTestOneInput(current.data(), current.size());
  }
  std::printf("%llu runs, none failed\n", static_cast<unsigned long long>(runs));
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t seed = std::random_device{}();
  double seconds = 10;
  std::vector<std::string> files;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument(arguments[i]);
    if (argument.starts_with("-max_total_time=")) {
      seconds = std::atof(arguments[i] + argument.find('=') + 1);
    } else if (argument.starts_with("-seed=")) {
      seed = std::strtoull(arguments[i] + argument.find('=') + 1, nullptr, 10);
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "unknown argument %s: see tests/fuzz_main.cpp\n", arguments[i]);
      return 2;
    } else {
      files.emplace_back(argument);
    }
  }
  if (!files.empty()) return run_files(files);
  run(seed, seconds);
  return 0;
}
