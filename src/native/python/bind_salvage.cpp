#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"
#include "engine/lock.h"
#include "engine/manifest.h"
#include "engine/salvage.h"
#include "engine/tombstones.h"
#include "hnsw/graph.h"
#include "python/bindings.h"
#include "python/gil.h"
#include "tier/segment.h"

namespace py = pybind11;

namespace engram::python {
namespace {

constexpr std::array<const char*, 3> kMetrics{"cosine", "l2", "ip"};

const char* name_of(hnsw::Metric metric) {
  return kMetrics.at(static_cast<std::size_t>(metric));
}

FileSystem& files() {
  return FileSystem::system();
}

std::optional<py::tuple> manifest(const Path& folder) {
  const std::optional<engine::Manifest> found = engine::read_manifest(files(), folder);
  if (!found) return std::nullopt;
  return py::make_tuple(found->dim, name_of(found->metric), found->generation, found->checkpoint_lsn);
}

py::tuple rows(const Path& path) {
  const engine::SalvagedRows found = engine::salvage_rows(files(), path);
  py::list all;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    const py::str id(found.rows.id_bytes.data() + begin, found.rows.id_sizes[i]);
    begin += found.rows.id_sizes[i];
    all.append(py::make_tuple(found.rows.slots[i], id, found.rows.confidences[i]));
  }
  return py::make_tuple(found.lsn, all);
}

py::array_t<float> vector_of(const float* from, std::size_t dim) {
  return py::array_t<float>(static_cast<py::ssize_t>(dim), from);
}

py::list entries_of(std::uint64_t lsn, const std::vector<engine::Decoded>& entries, std::size_t dim,
                    bool vectors) {
  py::list all;
  std::vector<float> vector(dim);
  for (const engine::Decoded& decoded : entries) {
    const engine::Entry& entry = decoded.entry;
    const bool store = entry.op == engine::Op::kStore;
    py::object values = py::none();
    if (store && vectors) {
      std::memcpy(vector.data(), entry.vector, dim * sizeof(float));
      values = vector_of(vector.data(), dim);
    }
    all.append(py::make_tuple(lsn + decoded.offset, store, entry.id, values, entry.content, entry.metadata,
                              entry.confidence, entry.created_at));
  }
  return all;
}

py::tuple log(const Path& folder, std::size_t dim, bool vectors, const py::function& see) {
  const wal::Salvaged found = engine::salvage_log(
      files(), folder, dim, [&](std::uint64_t lsn, const std::vector<engine::Decoded>& entries) {
        if (or_stay([] { return PyErr_CheckSignals(); }) != 0) throw py::error_already_set();
        call_python(see, entries_of(lsn, entries, dim, vectors));
      });
  py::list unreadable;
  for (const wal::Unreadable& each : found.unreadable) {
    unreadable.append(py::make_tuple(each.file, each.offset, each.bytes, each.begin, each.end));
  }
  return py::make_tuple(found.begin, found.end, found.ended, unreadable);
}

class Graph {
 public:
  explicit Graph(const Path& path) : graph_(hnsw::Graph::load(*files().open(path, OpenMode::kRead), path)) {}
  const hnsw::Options& options() const { return graph_->options(); }
  py::dict slots() const {
    py::dict all;
    graph_->each_present([&](hnsw::Slot slot) { all[py::int_(slot)] = graph_->born(slot); });
    return all;
  }
  py::array_t<float> vector(hnsw::Slot slot) const {
    if (slot >= graph_->slots()) throw py::index_error("no such slot");
    std::vector<float> values(options().dim);
    graph_->copy_vector(slot, values.data());
    return vector_of(values.data(), values.size());
  }

 private:
  std::unique_ptr<hnsw::Graph> graph_;
};

// A segment of a lower tier by itself, of which any page may be damaged.
class Segment {
 public:
  explicit Segment(const Path& path)
      : cache_(kCacheBytes), segment_(tier::Segment::open(files(), path, cache_)) {}
  std::size_t dim() const { return segment_->dim(); }
  const char* metric() const { return name_of(segment_->shape().metric); }
  std::size_t count() const { return segment_->rows(); }

  // (row, key, id, confidence) of every row all of which can be read.
  py::list rows() const {
    py::list all;
    std::vector<float> vector(dim());
    for (tier::Row row = 0; row < segment_->rows(); ++row) {
      try {
        const std::uint64_t key = segment_->key(row);
        const std::string id = segment_->id(row);
        const double confidence = segment_->confidence(row);
        segment_->copy_vector(row, vector.data());
        all.append(py::make_tuple(row, key, id, confidence));
      } catch (const CorruptionError&) {  // what is lost is this row
      }
    }
    return all;
  }

  py::array_t<float> vector(tier::Row row) const {
    if (row >= segment_->rows()) throw py::index_error("no such row");
    std::vector<float> values(dim());
    segment_->copy_vector(row, values.data());
    return vector_of(values.data(), values.size());
  }

 private:
  static constexpr std::size_t kCacheBytes = 4u << 20;
  tier::PageCache cache_;
  std::unique_ptr<tier::Segment> segment_;
};

// The dead rows of each segment, by its number: one bit a row.
py::dict dead_rows(const Path& path) {
  py::dict all;
  for (const engine::Tombstones& each : engine::read_tombstones(files(), path)) {
    all[py::int_(each.segment)] =
        py::bytes(reinterpret_cast<const char*>(each.dead.data()), each.dead.size());
  }
  return all;
}

// The names of the files that the manifest gives the lower tiers: the segments', and that of their dead rows.
py::tuple tier_files(const Path& folder) {
  const std::optional<engine::Manifest> found = engine::read_manifest(files(), folder);
  py::list segments;
  if (!found) return py::make_tuple(segments, py::none());
  for (const engine::SegmentName& each : found->segments) {
    segments.append(py::make_tuple(each.number, engine::segment_path({}, each).string()));
  }
  if (found->tombstones == 0) return py::make_tuple(segments, py::none());
  return py::make_tuple(segments, engine::tombstones_path({}, found->tombstones).string());
}

// The lock of a store that is not opened; given back when it is released or dropped.
class Lock {
 public:
  explicit Lock(const Path& folder)
      : lock_(std::make_unique<engine::FolderLock>(files(), folder, LockMode::kExclusive)) {}
  void release() { lock_.reset(); }

 private:
  std::unique_ptr<engine::FolderLock> lock_;
};

}  // namespace

void bind_salvage(py::module_& module) {
  py::class_<Lock>(module, "FolderLock").def(py::init<const Path&>()).def("release", &Lock::release);
  py::class_<Graph>(module, "SalvagedGraph")
      .def(py::init<const Path&>())
      .def_property_readonly("dim", [](const Graph& self) { return self.options().dim; })
      .def_property_readonly("metric", [](const Graph& self) { return name_of(self.options().metric); })
      .def("slots", &Graph::slots)
      .def("vector", &Graph::vector, py::arg("slot"));
  py::class_<Segment>(module, "SalvagedSegment")
      .def(py::init<const Path&>())
      .def_property_readonly("dim", &Segment::dim)
      .def_property_readonly("metric", &Segment::metric)
      .def("__len__", &Segment::count)
      .def("rows", &Segment::rows)
      .def("vector", &Segment::vector, py::arg("row"));
  module.def("salvage_dead", &dead_rows, py::arg("path"));
  module.def("tier_files", &tier_files, py::arg("folder"));
  module.def("read_manifest", &manifest, py::arg("folder"));
  module.def("salvage_rows", &rows, py::arg("path"));
  module.def("salvage_log", &log, py::arg("folder"), py::arg("dim"), py::arg("vectors"), py::arg("see"));
  // The steps of a repair go through the file layer, so that tests can let a process die at each.
  module.def("rename", [](const Path& from, const Path& to) { files().rename(from, to); });
  module.def("remove", [](const Path& path) { files().remove(path); });
  module.def("make_folder", [](const Path& path) { files().make_folder(path); });
  module.def("sync_folder", [](const Path& path) { files().sync_folder(path); });
  module.def("sync_file", [](const Path& path) { files().open(path, OpenMode::kReadWrite)->sync_data(); });
}

}  // namespace engram::python
