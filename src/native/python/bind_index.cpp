#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "hnsw/index.h"
#include "python/bindings.h"
#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

using hnsw::Index;
using hnsw::Label;
using hnsw::LabelFilter;
using hnsw::Matrix;
using Floats = py::array_t<float, py::array::c_style>;
using Labels = py::array_t<Label, py::array::c_style>;
using Mask = py::array_t<bool, py::array::c_style>;

constexpr std::array<const char*, 3> kMetrics{"cosine", "l2", "ip"};
constexpr std::array<const char*, 3> kScalars{"f32", "bf16", "f16"};

template <class Enum>
Enum named(const std::array<const char*, 3>& names, const std::string& name, const char* what) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<Enum>(i);
  }
  throw InvalidInput(std::string(what) + " is \"" + name + "\": give \"" + names[0] + "\", \"" + names[1] +
                     "\" or \"" + names[2] + "\"");
}

// A vector counts as a matrix of one row.
Matrix matrix_of(const Floats& array) {
  const py::ssize_t axes = array.ndim();
  if (axes != 1 && axes != 2) {
    throw DimensionMismatch("the vectors have " + std::to_string(axes) +
                            " axes: give one vector, or an array of shape (n, dim)");
  }
  return {.values = array.data(),
          .rows = axes == 1 ? 1 : static_cast<std::size_t>(array.shape(0)),
          .dim = static_cast<std::size_t>(array.shape(axes - 1))};
}

std::span<const Label> labels_of(const Labels& labels) {
  return {labels.data(), static_cast<std::size_t>(labels.size())};
}

std::unique_ptr<Index> make_index(std::size_t dim, const std::string& metric, std::size_t m,
                                  std::size_t ef_construction, const std::string& dtype, std::uint64_t seed) {
  hnsw::Options options;
  options.dim = dim;
  options.metric = named<hnsw::Metric>(kMetrics, metric, "metric");
  options.m = m;
  options.ef_construction = ef_construction;
  options.scalar = named<hnsw::Scalar>(kScalars, dtype, "dtype");
  options.seed = seed;
  return std::make_unique<Index>(options);
}

void add(Index& index, const Labels& labels, const Floats& vectors, std::size_t threads) {
  const Matrix matrix = matrix_of(vectors);
  const std::span<const Label> named = labels_of(labels);
  const Released released;
  index.add(named, matrix, threads, check_signals);
}

std::size_t remove(Index& index, const Labels& labels) {
  const std::span<const Label> named = labels_of(labels);
  const Released released;
  return index.remove(named);
}

py::tuple search(const Index& index, const Floats& queries, std::size_t k, std::size_t ef,
                 const py::object& allowed, std::size_t threads) {
  const Matrix matrix = matrix_of(queries);
  const std::array<py::ssize_t, 2> shape{static_cast<py::ssize_t>(matrix.rows), static_cast<py::ssize_t>(k)};
  Labels labels(shape);
  py::array_t<float> distances(shape);
  Label* const label_out = labels.mutable_data();
  float* const distance_out = distances.mutable_data();
  std::optional<LabelFilter> filter;
  py::array held;  // the mask's memory, while the filter refers to it
  if (!allowed.is_none()) {
    if (py::isinstance<Mask>(allowed)) {
      const auto mask = py::cast<Mask>(allowed);
      held = mask;
      filter = LabelFilter::of_mask({mask.data(), static_cast<std::size_t>(mask.size())});
    } else {
      filter = LabelFilter::of_labels(labels_of(py::cast<Labels>(allowed)));
    }
  }
  {
    const Released released;
    index.search(matrix, k, ef, filter ? &*filter : nullptr, threads, label_out, distance_out);
  }
  return py::make_tuple(std::move(labels), std::move(distances));
}

void optimize(Index& index) {
  const Released released;
  index.optimize();
}

void save(const Index& index, const Path& path) {
  const Released released;
  index.save(path);
}

std::unique_ptr<Index> load(const Path& path) {
  const Released released;
  return Index::load(path);
}

}  // namespace

void bind_index(py::module_& module) {
  py::class_<Index>(module, "Index")
      .def(py::init(&make_index), py::arg("dim"), py::arg("metric"), py::arg("m"), py::arg("ef_construction"),
           py::arg("dtype"), py::arg("seed"))
      .def("add", &add, py::arg("labels"), py::arg("vectors"), py::arg("threads"))
      .def("remove", &remove, py::arg("labels"))
      .def("search", &search, py::arg("queries").noconvert(), py::arg("k"), py::arg("ef"), py::arg("allowed"),
           py::arg("threads"))
      .def("optimize", &optimize)
      .def("save", &save, py::arg("path"))
      .def_static("load", &load, py::arg("path"))
      .def("__len__", &Index::size)
      .def_property_readonly("memory_bytes", &Index::memory_bytes)
      .def_property_readonly("dim", [](const Index& index) { return index.options().dim; })
      .def_property_readonly("m", [](const Index& index) { return index.options().m; })
      .def_property_readonly("ef_construction",
                             [](const Index& index) { return index.options().ef_construction; })
      .def_property_readonly("seed", [](const Index& index) { return index.options().seed; })
      .def_property_readonly(
          "metric",
          [](const Index& index) { return kMetrics.at(static_cast<std::size_t>(index.options().metric)); })
      .def_property_readonly("dtype", [](const Index& index) {
        return kScalars.at(static_cast<std::size_t>(index.options().scalar));
      });
}

}  // namespace engram::python
