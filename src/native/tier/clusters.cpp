#include "tier/clusters.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "base/parallel.h"
#include "hnsw/graph.h"
#include "tier/kmeans.h"

namespace engram::tier {
namespace {

using Group = std::span<std::uint32_t>;  // of rows

constexpr std::size_t kParts = 32;    // of one group, at most
constexpr std::size_t kBlock = 512;   // rows a thread takes at once
constexpr double kFull = 0.55;        // how full lists are meant to be: parts come out unequal
constexpr double kRoom = 0.8;         // and no fuller at first, for those that grow at their borders
constexpr std::size_t kBreadth = 24;  // of the walk to a row's nearest centroid
constexpr std::size_t kDeepest = 16;  // steps of parting after which the rest is cut anyhow

class Clusterer {
 public:
  Clusterer(std::span<const RowIn> rows, const Shape& shape, std::size_t longest, const SealOptions& options)
      : shape_(shape),
        options_(options),
        threads_(thread_count(options.threads)),
        longest_(longest),
        points_(rows, shape, threads_),
        random_(shape.seed) {}

  Clusters run() {
    Clusters lists;
    lists.order.resize(points_.size());
    std::iota(lists.order.begin(), lists.order.end(), 0U);
    split(lists.order, lists, share_of_longest(kRoom), 0);
    if (lists.ends.size() > 1) reassign(lists);
    return lists;
  }

 private:
  std::size_t share_of_longest(double share) const {
    return std::max<std::size_t>(static_cast<std::size_t>(static_cast<double>(longest_) * share), 1);
  }
  void breathe() const {
    if (options_.breathe) options_.breathe(0);
  }

  // Parts a group until no part is longer than `longest`, each then being a list. The group's rows are put in
  // the lists' order where they are.
  void split(Group group, Clusters& lists, std::size_t longest, std::size_t depth) {
    if (group.size() <= longest) return close(group, lists);
    const std::size_t meant = share_of_longest(kFull);
    const std::size_t wanted = (group.size() + meant - 1) / meant;
    if (depth == kDeepest) return cut(group, lists, wanted);
    const Centres centres = train(points_, group, std::min(wanted, kParts), random_);
    const std::vector<std::size_t> sizes = part(group, centres);
    if (std::find(sizes.begin(), sizes.end(), group.size()) != sizes.end()) {
      return cut(group, lists, wanted);  // copies of one vector: any parts will do
    }
    std::size_t begin = 0;
    for (const std::size_t size : sizes) {
      if (size != 0) split(group.subspan(begin, size), lists, longest, depth + 1);
      begin += size;
    }
  }

  void cut(Group group, Clusters& lists, std::size_t parts) {
    for (std::size_t i = 0; i < parts; ++i) {
      const std::size_t begin = group.size() * i / parts;
      close(group.subspan(begin, group.size() * (i + 1) / parts - begin), lists);
    }
  }

  void close(Group group, Clusters& lists) {
    const std::size_t before = lists.ends.empty() ? 0 : lists.ends.back();
    lists.ends.push_back(static_cast<std::uint32_t>(before + group.size()));
    lists.centroids.resize(lists.centroids.size() + shape_.dim);
    mean_of(points_, group, lists.centroids.data() + lists.centroids.size() - shape_.dim);
  }

  // Orders a group by the nearest of the centres; returns how many went to each.
  std::vector<std::size_t> part(Group group, const Centres& centres) {
    return distribute(group, centres.count(), [&](std::uint32_t row, std::vector<float>& scores) {
      scores.resize(centres.count());
      return centres.nearest(points_.raw(row), points_.factor(row), scores);
    });
  }

  // Orders a group by choose(row, scratch), stable; returns how many chose each of `count`.
  template <class Choose>
  std::vector<std::size_t> distribute(Group group, std::size_t count, const Choose& choose) {
    SystemVector<std::uint32_t> chosen(group.size());
    parallel_for(group.size(), kBlock, threads_, [&](std::size_t worker, std::size_t begin, std::size_t end) {
      std::vector<float> scratch;
      for (std::size_t i = begin; i < end; ++i)
        chosen[i] = static_cast<std::uint32_t>(choose(group[i], scratch));
      if (worker == 0) breathe();
    });
    std::vector<std::size_t> sizes(count);
    for (const std::uint32_t which : chosen) ++sizes[which];
    std::vector<std::size_t> next(count);
    std::exclusive_scan(sizes.begin(), sizes.end(), next.begin(), std::size_t{0});
    SystemVector<std::uint32_t> ordered(group.size());
    for (std::size_t i = 0; i < group.size(); ++i) ordered[next[chosen[i]]++] = group[i];
    std::copy(ordered.begin(), ordered.end(), group.begin());
    return sizes;
  }

  // What was parted step by step, each row had to stay where its first steps led: now each goes to the
  // nearest list of all, and what became too long is parted again.
  void reassign(Clusters& lists) {
    const std::size_t dim = shape_.dim;
    hnsw::Graph graph({.dim = dim, .metric = hnsw::Metric::kL2, .seed = shape_.seed});
    for (std::size_t i = 0; i < lists.ends.size(); ++i) graph.insert(lists.centroids.data() + i * dim, i);
    Clusters old = std::exchange(lists, {});
    const std::vector<std::size_t> sizes =
        distribute(old.order, old.ends.size(), [&](std::uint32_t row, std::vector<float>& point) {
          point.resize(dim);
          points_.copy(row, point.data());
          hnsw::Hit nearest{0, 0};
          graph.search(point.data(), 1, kBreadth, hnsw::kNow, nullptr, &nearest);
          return static_cast<std::size_t>(graph.born(nearest.slot));
        });
    lists.order = std::move(old.order);
    std::size_t begin = 0;
    for (const std::size_t size : sizes) {
      if (size != 0) split(Group(lists.order).subspan(begin, size), lists, longest_, 0);
      begin += size;
    }
  }

  const Shape& shape_;
  const SealOptions& options_;
  const std::size_t threads_;
  const std::size_t longest_;
  const Points points_;
  std::mt19937_64 random_;
};

}  // namespace

Clusters cluster(std::span<const RowIn> rows, const Shape& shape, std::size_t longest,
                 const SealOptions& options) {
  return Clusterer(rows, shape, longest, options).run();
}

}  // namespace engram::tier
