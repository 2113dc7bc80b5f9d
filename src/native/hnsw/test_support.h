// What the tests of the graph share: vectors from a seed, exact answers, and recall against them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "hnsw/graph.h"

namespace engram::hnsw {

using Vectors = std::vector<std::vector<float>>;

inline Vectors random_vectors(std::size_t count, std::size_t dim, std::uint32_t seed, float spread = 1.0F,
                              float centre = 0.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(centre, spread);
  Vectors vectors(count, std::vector<float>(dim));
  for (auto& vector : vectors) {
    for (float& x : vector) x = normal(random);
  }
  return vectors;
}

inline double distance(const std::vector<float>& a, const std::vector<float>& b, Metric metric) {
  double dot = 0, aa = 0, bb = 0, l2 = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    l2 += (x - y) * (x - y);
  }
  if (metric == Metric::kL2) return l2;
  return metric == Metric::kIp ? 1 - dot : 1 - dot / std::sqrt(aa * bb);
}

inline std::vector<Hit> search(const Graph& graph, const std::vector<float>& query, std::size_t k,
                               std::size_t ef, std::uint64_t snapshot = kNow,
                               const Graph::Filter* filter = nullptr) {
  std::vector<Hit> hits(k);
  hits.resize(graph.search(query.data(), k, ef, snapshot, filter, hits.data()));
  return hits;
}

inline std::set<std::uint64_t> labels(const Graph& graph, const std::vector<Hit>& hits) {
  std::set<std::uint64_t> found;
  for (const Hit& hit : hits) found.insert(graph.born(hit.slot));
  return found;
}

inline double recall(const Graph& graph, const Vectors& base, const Vectors& queries, std::size_t k,
                     std::size_t ef) {
  const Metric metric = graph.options().metric;
  std::size_t found = 0;
  for (const auto& query : queries) {
    std::vector<double> all;
    for (const auto& vector : base) all.push_back(distance(query, vector, metric));
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k - 1), all.end());
    for (const Hit& hit : search(graph, query, k, ef)) {
      found += distance(query, base[graph.born(hit.slot)], metric) <= all[k - 1] + 1e-9 ? 1U : 0U;
    }
  }
  return static_cast<double>(found) / static_cast<double>(k * queries.size());
}

inline std::unique_ptr<Graph> build(const Vectors& base, Metric metric, Scalar scalar = Scalar::kF32) {
  auto graph = std::make_unique<Graph>(Options{.dim = base[0].size(), .metric = metric, .scalar = scalar});
  for (std::size_t i = 0; i < base.size(); ++i) graph->insert(base[i].data(), i);
  return graph;
}

}  // namespace engram::hnsw
