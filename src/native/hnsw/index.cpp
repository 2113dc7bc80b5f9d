#include "hnsw/index.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/per_thread.h"
#include "hnsw/passing.h"
#include "simd/kernels.h"

namespace engram::hnsw {
namespace {

constexpr std::size_t kBreath = 2048;  // rows a thread adds between two calls of `breathe`
// Of n slots that pass among N, scoring all costs n * 10 ns, a walk of breadth ef about ef * N / n * 400 ns,
// and finding the slots by their labels, once a call, n * 70 ns. The list is taken while it is the cheaper.
// (In these proportions at 128 and at 384 dimensions: docs/performance.md.)
constexpr double kWalkPerScore = 40;
constexpr double kFindPerScore = 7;
constexpr std::size_t kListBelow = 1000;
// A walk asks the filter some times ef, at about 10 ns more than where each slot's answer is a bit; to make
// the bits costs 2 ns a slot.
constexpr std::size_t kBitsPerBreadth = 64;
// From how many of those that pass a walk begins that found none of them near the query.
constexpr std::size_t kSeeds = 32;

std::string of_row(std::size_t row, std::size_t rows) {
  return rows == 1 ? "" : " in row " + std::to_string(row);
}

[[noreturn]] void refuse(const Matrix& vectors, std::size_t row, const char* what) {
  const float* const vector = vectors.row(row);
  const std::string where = of_row(row, vectors.rows);
  for (std::size_t i = 0; i < vectors.dim; ++i) {
    if (std::isfinite(vector[i])) continue;
    throw InvalidVector(std::string(what) + where + " has " + std::to_string(vector[i]) + " at position " +
                        std::to_string(i) + ": every element must be a finite number");
  }
  float largest = 0;
  for (std::size_t i = 0; i < vectors.dim; ++i) largest = std::max(largest, std::fabs(vector[i]));
  if (largest < 1) {
    throw InvalidVector(
        std::string(what) + where +
        " has length zero (or too small for float32), which has no direction to compare by cosine: "
        "leave it out, or use another metric");
  }
  std::ostringstream as_text;
  as_text << largest;
  throw InvalidVector(std::string(what) + where + " has elements up to " + as_text.str() +
                      ", so that its squared length overflows float32: scale the vectors down");
}

// Whether a label comes twice.
bool has_repeats(std::span<const Label> labels) {
  if (labels.size() > 32) {
    std::vector<Label> sorted(labels.begin(), labels.end());
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }
  bool repeats = false;
  for (std::size_t i = 1; i < labels.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) repeats |= labels[i] == labels[j];
  }
  return repeats;
}

// The first k labels of the hits, each once, and their distances; returns how many.
std::size_t write_distinct(const Graph& graph, std::span<const Hit> hits, std::size_t k, Label* labels,
                           float* distances) {
  const std::size_t most = std::min(k, hits.size());
  for (std::size_t i = 0; i < most; ++i) {
    labels[i] = static_cast<Label>(graph.born(hits[i].slot));
    distances[i] = hits[i].distance;
  }
  if (!has_repeats({labels, most})) return most;
  std::unordered_set<Label> seen;
  std::size_t out = 0;
  for (const Hit& hit : hits) {
    const auto label = static_cast<Label>(graph.born(hit.slot));
    if (out == k || !seen.insert(label).second) continue;
    labels[out] = label;
    distances[out++] = hit.distance;
  }
  return out;
}

// Rows that no later row of the same label replaces.
std::vector<std::size_t> last_of_each(std::span<const Label> labels) {
  std::vector<std::size_t> rows(labels.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  if (std::is_sorted(labels.begin(), labels.end(), std::less_equal<>()))
    return rows;  // ascending: no repeats
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::size_t a, std::size_t b) { return labels[a] < labels[b]; });
  std::size_t stay = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + 1 < rows.size() && labels[rows[i]] == labels[rows[i + 1]]) continue;
    rows[stay++] = rows[i];
  }
  rows.resize(stay);
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

LabelFilter LabelFilter::of_labels(std::span<const Label> labels) {
  LabelFilter filter;
  filter.sorted_.assign(labels.begin(), labels.end());
  std::sort(filter.sorted_.begin(), filter.sorted_.end());
  filter.sorted_.erase(std::unique(filter.sorted_.begin(), filter.sorted_.end()), filter.sorted_.end());
  filter.most_ = filter.sorted_.size();
  return filter;
}

LabelFilter LabelFilter::of_mask(std::span<const bool> mask) {
  LabelFilter filter;
  filter.mask_ = mask;
  // Summed in bytes, as many at once as cannot overflow one: this is as fast as memory.
  constexpr std::size_t kAtOnce = 255;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(mask.data());
  for (std::size_t i = 0; i < mask.size(); i += kAtOnce) {
    unsigned char part = 0;
    for (std::size_t j = i; j < std::min(mask.size(), i + kAtOnce); ++j) part += bytes[j];
    filter.most_ += part;
  }
  return filter;
}

bool LabelFilter::operator()(Label label) const {
  if (!mask_.empty())
    return label >= 0 && static_cast<std::size_t>(label) < mask_.size() &&
           mask_[static_cast<std::size_t>(label)];
  return std::binary_search(sorted_.begin(), sorted_.end(), label);
}

std::vector<Label> LabelFilter::labels() const {
  std::vector<Label> labels = sorted_;
  labels.reserve(most_);
  for (std::size_t i = 0; i < mask_.size();) {
    std::uint64_t eight = 1;  // positions at once, where none passes
    if (i + sizeof eight <= mask_.size()) std::memcpy(&eight, mask_.data() + i, sizeof eight);
    if (eight == 0) {
      i += sizeof eight;
      continue;
    }
    if (mask_[i]) labels.push_back(static_cast<Label>(i));
    ++i;
  }
  return labels;
}

std::vector<Label> LabelFilter::sample(std::size_t count) const {
  std::vector<Label> labels;
  const std::size_t stride = std::max<std::size_t>(sorted_.size() / count, 1);
  for (std::size_t i = 0; i < sorted_.size(); i += stride) labels.push_back(sorted_[i]);
  const std::size_t apart = std::max<std::size_t>(mask_.size() / count, 1);
  for (std::size_t i = 0; i < mask_.size(); i += apart) {
    const auto end = mask_.begin() + static_cast<std::ptrdiff_t>(std::min(i + apart, mask_.size()));
    const auto next = std::find(mask_.begin() + static_cast<std::ptrdiff_t>(i), end, true);
    if (next != end) labels.push_back(static_cast<Label>(next - mask_.begin()));
  }
  return labels;
}

Index::Index(const Options& options)
    : options_(options), state_(new State(std::make_unique<Graph>(options))) {}

Index::Index(std::unique_ptr<Graph> graph, const Path& path) : options_(graph->options()), state_(nullptr) {
  auto state = std::make_unique<State>(std::move(graph));
  state->graph->each_present([&](Slot slot) {
    if (state->graph->dead_at(slot) == kAlive && state->labels.exchange(slot) == kNoSlot) return;
    throw CorruptionError(path.string(), 0,
                          "index file " + path.string() + " holds label " +
                              std::to_string(state->graph->born(slot)) +
                              " twice or hidden: build the index again, or restore the file");
  });
  state_.store(state.release());
}

Index::~Index() {
  delete state_.load();
}

std::size_t Index::size() const {
  return hold().state.labels.size();
}

std::size_t Index::memory_bytes() const {
  const Held held = hold();
  return held.state.graph->memory_bytes() + held.state.labels.memory_bytes();
}

void Index::check(const Matrix& vectors, const char* what) const {
  const Options& wanted = options();
  if (vectors.dim != wanted.dim) {
    throw DimensionMismatch(std::string(what) + " has " + std::to_string(vectors.dim) +
                            " dimensions, this index has " + std::to_string(wanted.dim));
  }
  const auto& kernels = simd::active();
  const float least = wanted.metric == Metric::kCosine ? FLT_MIN : 0.0F;
  // Half floats end at 65504.
  std::vector<std::uint16_t> half(wanted.scalar == Scalar::kF16 ? wanted.dim : 0);
  std::vector<float> kept(half.size());
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const float norm2 = kernels.dot(vectors.row(i), vectors.row(i), wanted.dim);
    if (!(norm2 >= least) || !std::isfinite(norm2)) refuse(vectors, i, what);
    if (half.empty()) continue;
    kernels.f32_to_f16(vectors.row(i), half.data(), half.size());
    kernels.f16_to_f32(half.data(), kept.data(), half.size());
    if (!std::isfinite(kernels.dot(kept.data(), kept.data(), kept.size()))) {
      throw InvalidVector(
          std::string(what) + of_row(i, vectors.rows) +
          " has elements beyond 65504, the largest a 16-bit float holds: use dtype=\"bf16\" or \"f32\"");
    }
  }
}

void Index::add(std::span<const Label> labels, const Matrix& vectors, std::size_t threads,
                const std::function<void()>& breathe) {
  if (labels.size() != vectors.rows) {
    throw InvalidInput(std::to_string(labels.size()) + " labels came with " + std::to_string(vectors.rows) +
                       " vectors: give one label a vector");
  }
  if (std::find(labels.begin(), labels.end(), kNoLabel) != labels.end()) {
    throw InvalidInput("the label -1 stands for \"nothing found\" in results: choose another");
  }
  check(vectors, "the vector");
  const std::vector<std::size_t> rows = last_of_each(labels);
  const std::size_t workers = thread_count(threads);
  for (std::size_t begin = 0; begin < rows.size(); begin += kBreath * workers) {
    const std::shared_lock lock(changing_);
    State& state = *state_.load();
    const std::size_t count = std::min(rows.size() - begin, kBreath * workers);
    parallel_for(count, 32, std::min(workers, count), [&](std::size_t, std::size_t first, std::size_t last) {
      for (std::size_t i = begin + first; i < begin + last; ++i)
        add_row(state, labels[rows[i]], vectors.row(rows[i]));
    });
    if (breathe) breathe();
  }
}

void Index::add_row(State& state, Label label, const float* vector) {
  // For a moment both vectors of a replaced label are alive: search_row() takes the nearer.
  const Slot before = state.labels.exchange(state.graph->insert(vector, static_cast<std::uint64_t>(label)));
  if (before != kNoSlot) state.graph->retire(before);
}

std::size_t Index::remove(std::span<const Label> labels) {
  const std::shared_lock lock(changing_);
  State& state = *state_.load();
  std::size_t removed = 0;
  for (const Label label : labels) {
    const Slot slot = state.labels.erase(label);
    if (slot == kNoSlot) continue;
    state.graph->retire(slot);
    ++removed;
  }
  return removed;
}

void Index::search(const Matrix& queries, std::size_t k, std::size_t ef, const LabelFilter* filter,
                   std::size_t threads, Label* labels, float* distances) const {
  check(queries, "the query");
  const Held held = hold();
  const State& state = held.state;
  const Graph::Guard guard = state.graph->pin();  // the plan's slots stay what they are
  const Plan planned = plan(state, filter, std::max(ef, k), queries.rows);
  if (queries.rows == 1) return search_row(state, queries.row(0), k, ef, planned, labels, distances);
  const std::size_t workers = std::min(thread_count(threads), queries.rows);
  parallel_for(queries.rows, 16, workers, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      search_row(state, queries.row(i), k, ef, planned, labels + i * k, distances + i * k);
    }
  });
}

Index::Plan Index::plan(const State& state, const LabelFilter* filter, std::size_t ef, std::size_t rows) {
  Plan plan;
  if (filter == nullptr) return plan;
  const Graph& graph = *state.graph;
  const auto add_slots = [&state](const std::vector<Label>& labels, std::vector<Slot>& slots) {
    for (const Label label : labels) {
      if (const Slot slot = state.labels.find(label); slot != kNoSlot) slots.push_back(slot);
    }
  };
  const auto all = static_cast<double>(std::max<std::size_t>(state.labels.size(), 1));
  const auto most = static_cast<double>(filter->most());
  const double scores =
      most * most * (1 + kFindPerScore / static_cast<double>(std::max<std::size_t>(rows, 1)));
  plan.listed = filter->most() <= kListBelow || scores <= kWalkPerScore * static_cast<double>(ef) * all;
  if (plan.listed) {
    add_slots(filter->labels(), plan.slots);
    return plan;
  }
  const auto passes = [filter](std::uint64_t born) { return (*filter)(static_cast<Label>(born)); };
  std::function<bool(Slot)> keep = [passes, &graph](Slot slot) { return passes(graph.born(slot)); };
  if (rows * ef * kBitsPerBreadth >= graph.slots()) {
    keep = [passing = std::make_shared<const Passing>(graph, passes), keep](Slot slot) {
      return passing->knows(slot) ? (*passing)(slot) : keep(slot);
    };
  }
  plan.filter = {
      .keep = std::move(keep),
      .share = std::min(1.0, most / all),
      .seeds = [filter, add_slots](std::vector<Slot>& seeds) { add_slots(filter->sample(kSeeds), seeds); }};
  return plan;
}

void Index::search_row(const State& state, const float* query, std::size_t k, std::size_t ef,
                       const Plan& plan, Label* labels, float* distances) {
  const Graph& graph = *state.graph;
  static auto& kept = PerThread<std::vector<Hit>>::make();
  std::vector<Hit>& hits = kept.get();
  const Graph::Guard guard = graph.pin();  // a hit's slot keeps its label until it is read
  std::size_t out = 0;
  // A label that gets another vector just now may come twice, and then more are needed for k of them.
  for (std::size_t most = k; out < k; most += 2 * (k - out) + 8) {
    hits.resize(std::min(most, graph.slots()));
    std::size_t found = 0;
    if (plan.listed) {
      found = graph.search_among(query, plan.slots, hits.size(), hits.data());
    } else {
      found = graph.search(query, hits.size(), ef, kNow, plan.filter ? &*plan.filter : nullptr, hits.data());
    }
    out = write_distinct(graph, {hits.data(), found}, k, labels, distances);
    if (found < most) break;  // there are no more
  }
  std::fill(labels + out, labels + k, kNoLabel);
  std::fill(distances + out, distances + k, std::numeric_limits<float>::infinity());
}

void Index::optimize() {
  const std::unique_lock lock(changing_);
  State* const old = state_.load();
  auto next = std::make_unique<State>(old->graph->in_walk_order());
  next->graph->each_present([&](Slot slot) { next->labels.exchange(slot); });
  state_.store(next.release());
  const std::uint64_t epoch = readers_.advance();
  while (!readers_.passed(epoch)) std::this_thread::yield();
  delete old;
}

void Index::save(const Path& path) const {
  // A name of its own: others may save to the same path, and `path`.tmp may be anybody's.
  static std::atomic<unsigned> saves{0};
  Path beside = path;
  beside += "." + std::to_string(::getpid()) + "-" + std::to_string(saves.fetch_add(1)) + ".tmp";
  const std::unique_lock lock(changing_);
  try {
    write_atomically(
        FileSystem::system(), path, [&](File& file) { state_.load()->graph->save(file); }, beside);
  } catch (const IoError& error) {
    if (error.code != ENOSPC && error.code != EDQUOT) throw;
    throw OutOfSpace(std::string(error.what()) + "; what was at " + path.string() +
                     " before is unchanged: free some space and save again");
  }
}

std::unique_ptr<Index> Index::load(const Path& path) {
  const std::unique_ptr<File> file = FileSystem::system().open(path, OpenMode::kRead);
  return std::make_unique<Index>(Graph::load(*file, path), path);
}

}  // namespace engram::hnsw
