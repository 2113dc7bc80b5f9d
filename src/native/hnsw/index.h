// A graph with labels of the caller's choosing: what engram.Index is in Python.
//
// Thread-safety: add, remove and search from any thread at once; save waits for adds and removes and holds
// them off.
//
// Invariants:
//  (1) A label stands for at most one vector; adding it again replaces the vector.
//  (2) Every vector is checked before the first is added: a refused call changes nothing.
//  (3) A result holds no label twice, and never one whose removal returned before the search began.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
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

  const Options& options() const { return graph_->options(); }
  std::size_t size() const { return labels_.size(); }
  std::size_t memory_bytes() const { return graph_->memory_bytes() + labels_.memory_bytes(); }

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

  void save(const Path& path) const;
  static std::unique_ptr<Index> load(const Path& path);

 private:
  void check(const Matrix& vectors, const char* what) const;
  void add_row(Label label, const float* vector);
  // What a call's filter comes to: so few slots that all are scored, or a share of all that the walk looks
  // for.
  struct Plan {
    const LabelFilter* filter = nullptr;
    bool listed = false;
    std::vector<Slot> slots;
    double share = 1;
  };
  Plan plan(const LabelFilter* filter, std::size_t ef) const;
  void search_row(const float* query, std::size_t k, std::size_t ef, const Plan& plan, Label* labels,
                  float* distances) const;

  std::unique_ptr<Graph> graph_;
  LabelMap labels_;
  mutable std::shared_mutex changing_;
};

}  // namespace engram::hnsw
