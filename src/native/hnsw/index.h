// A graph with labels of the caller's choosing: what engram.Index is in Python.
//
// Thread-safety: add, remove and search from any thread at once; save and optimize wait for adds and removes
// and hold them off.
//
// Invariants:
//  (1) A label stands for at most one vector; adding it again replaces the vector.
//  (2) Every vector is checked before the first is added: a refused call changes nothing.
//  (3) A result holds no label twice, and never one whose removal returned before the search began.
//  (4) A search that began while a label was replaced may miss it: it passed by before the new vector was
//      linked, and came to the old one when that was dead.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/file.h"
#include "hnsw/graph.h"
#include "hnsw/label_map.h"

namespace engram::hnsw {

using Label = std::int64_t;
inline constexpr Label kNoLabel = -1;  // stands for "no hit" in results, so it is no label

// Which labels may be found: those in a list, or those whose place in a mask is set.
class LabelFilter {
 public:
  static LabelFilter of_labels(std::span<const Label> labels);
  static LabelFilter of_mask(std::span<const bool> mask);  // must outlive the filter

  bool operator()(Label label) const;
  std::size_t most() const { return most_; }  // no more labels than this pass
  std::vector<Label> labels() const;
  // About `count` of those that pass, from everywhere among them.
  std::vector<Label> sample(std::size_t count) const;

 private:
  std::span<const bool> mask_;
  std::vector<Label> sorted_;
  std::size_t most_ = 0;
};

// rows x dim floats, row after row.
struct Matrix {
  const float* values;
  std::size_t rows;
  std::size_t dim;
  const float* row(std::size_t i) const { return values + i * dim; }
};

class Index {
 public:
  explicit Index(const Options& options);
  explicit Index(std::unique_ptr<Graph> graph, const Path& path_for_errors);

  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  const Options& options() const { return options_; }
  std::size_t size() const;
  std::size_t memory_bytes() const;

  // The last of repeated labels wins. `breathe` is called in the caller's thread now and then; what it throws
  // ends the call, with the rows before in place. Errors: DimensionMismatch, InvalidVector (naming the row),
  // InvalidInput (label -1).
  void add(std::span<const Label> labels, const Matrix& vectors, std::size_t threads,
           const std::function<void()>& breathe = {});

  // Returns how many of the labels were there.
  std::size_t remove(std::span<const Label> labels);

  // For each query k labels and distances, nearest first; -1 and infinity where fewer are there.
  void search(const Matrix& queries, std::size_t k, std::size_t ef, const LabelFilter* filter,
              std::size_t threads, Label* labels, float* distances) const;

  // Lays the vectors out anew, so that those a search reads after each other lie near each other, and gives
  // back what removed ones still hold. Takes the index's memory once more while it works.
  void optimize();

  void save(const Path& path) const;
  static std::unique_ptr<Index> load(const Path& path);

 private:
  void check(const Matrix& vectors, const char* what) const;
  // What optimize() replaces as a whole.
  struct State {
    explicit State(std::unique_ptr<Graph> of) : graph(std::move(of)), labels(*graph) {}
    std::unique_ptr<Graph> graph;
    LabelMap labels;
  };
  // The state of now, and the promise that it stays while this lives.
  struct Held {
    Epochs::Pin pin;
    const State& state;
  };
  Held hold() const {
    Epochs::Pin pin = readers_.pin();
    return {std::move(pin), *state_.load()};
  }

  static void add_row(State& state, Label label, const float* vector);
  // What a call's filter comes to: nothing, so few slots that all are scored, or a walk.
  struct Plan {
    bool listed = false;
    std::vector<Slot> slots;
    std::optional<Graph::Filter> filter;
  };
  static Plan plan(const State& state, const LabelFilter* filter, std::size_t ef, std::size_t rows);
  static void search_row(const State& state, const float* query, std::size_t k, std::size_t ef,
                         const Plan& plan, Label* labels, float* distances);

  const Options options_;
  std::atomic<State*> state_;
  mutable Epochs readers_;              // of the state, where changing_ is not held
  mutable std::shared_mutex changing_;  // shared: by who adds or removes; alone: by who saves or optimizes
};

}  // namespace engram::hnsw
