// What a store tells about itself while it runs, for bind_store.cpp.
#include "python/bind_metrics.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

using engine::Seconds;
using engine::Store;
using NoGil = py::call_guard<Released>;
using Snapshot = Histogram::Snapshot;

// (least value of the next bucket, count so far) of every bucket that is not empty.
std::vector<std::pair<double, std::uint64_t>> cumulative(const Snapshot& seen) {
  std::vector<std::pair<double, std::uint64_t>> buckets;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    count += seen.counts[i];
    if (seen.counts[i] != 0) buckets.emplace_back(Histogram::least(i + 1), count);
  }
  return buckets;
}

std::optional<double> probe(Store& store, double timeout) {
  const Released released;
  return store.probe(Seconds(std::clamp(timeout, 0.0, 3.15e8)));
}

}  // namespace

void bind_metrics(py::module_& module, py::class_<Store>& store) {
  py::class_<Snapshot>(module, "Histogram")
      .def_property_readonly("count", [](const Snapshot& seen) { return seen.count; })
      .def_property_readonly("sum", [](const Snapshot& seen) { return seen.sum; })
      .def_property_readonly("mean", &Snapshot::mean)
      .def_property_readonly("most", [](const Snapshot& seen) { return seen.most; })
      .def("quantile", &Snapshot::quantile, py::arg("share"))
      .def_property_readonly("buckets", &cumulative);
  store.def("histograms", &Store::histograms, NoGil())
      .def("probe", &probe, py::arg("timeout"))
      .def("stop_probing", &Store::stop_probing)
      .def("recall_estimate", [](const Store& self) {
        const engine::Probe::Estimate estimate = self.recall_estimate();
        return py::make_tuple(estimate.cues, estimate.recall, estimate.low, estimate.high);
      });
}

}  // namespace engram::python
