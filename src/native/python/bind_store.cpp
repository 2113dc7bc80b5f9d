#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <cstring>
#include <string>

#include "base/error.h"
#include "engine/store.h"
#include "python/bind_indexing.h"
#include "python/bind_metrics.h"
#include "python/bind_tiers.h"
#include "python/bindings.h"
#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

using engine::Seconds;
using engine::Store;
using Floats = py::array_t<float, py::array::c_style>;
using OptionalText = std::optional<std::string_view>;
using NoGil = py::call_guard<Released>;

constexpr std::array<double, engine::kTiers> kNoBudgets{engine::kNoLimit, engine::kNoLimit, engine::kNoLimit};
constexpr unsigned kAllTiers = 7;

hnsw::Metric metric_of(const std::string& name) {
  if (name == "cosine") return hnsw::Metric::kCosine;
  if (name == "l2") return hnsw::Metric::kL2;
  if (name == "ip") return hnsw::Metric::kIp;
  throw InvalidInput("metric is \"" + name + "\": give \"cosine\", \"l2\" or \"ip\"");
}

const char* name_of(hnsw::Metric metric) {
  constexpr std::array<const char*, 3> kNames{"cosine", "l2", "ip"};
  return kNames.at(static_cast<std::size_t>(metric));
}

const char* name_of(engine::Tier tier) {
  return engine::kTierNames[static_cast<std::size_t>(tier)];
}

wal::Sync sync_of(const std::string& name) {
  if (name == "always") return wal::Sync::kAlways;
  if (name == "interval") return wal::Sync::kInterval;
  if (name == "never") return wal::Sync::kNever;
  throw InvalidInput("fsync is \"" + name + "\": give \"always\", \"interval\" or \"never\"");
}

std::optional<wal::Sync> sync_of(const std::optional<std::string>& name) {
  return name ? std::optional(sync_of(*name)) : std::nullopt;
}

std::optional<Seconds> seconds(std::optional<double> value) {
  if (!value) return std::nullopt;
  // A wait of ten years is no different from a longer one, and fits every clock.
  return Seconds(std::min(std::max(*value, 0.0), 3.15e8));
}

const float* row_of(const Store& store, const Floats& vector) {
  if (vector.ndim() != 1 || static_cast<std::size_t>(vector.shape(0)) != store.dim()) {
    throw DimensionMismatch("the vector has " + std::to_string(vector.size()) +
                            " dimensions, this store has " + std::to_string(store.dim()) +
                            " (fixed when it was created)");
  }
  return vector.data();
}

const float* rows_of(const Store& store, const Floats& vectors) {
  if (vectors.ndim() != 2 || static_cast<std::size_t>(vectors.shape(1)) != store.dim()) {
    throw DimensionMismatch(
        "the vectors have " + std::to_string(vectors.ndim() == 2 ? vectors.shape(1) : vectors.size()) +
        " dimensions, this store has " + std::to_string(store.dim()) + " (fixed when it was created)");
  }
  return vectors.data();
}

std::unique_ptr<Store> open_store(const std::optional<Path>& path, std::optional<std::uint32_t> dim,
                                  const std::optional<std::string>& metric, const std::string& fsync,
                                  double fsync_interval_ms, bool read_only, std::size_t queue_capacity,
                                  std::size_t queue_bytes, std::size_t batch_bytes, std::size_t m,
                                  std::size_t ef_construction, std::uint64_t seed, std::size_t threads,
                                  std::size_t page_cache_bytes, double half_life) {
  engine::Options options;
  if (path) options.folder = *path;
  options.dim = dim;
  if (metric) options.metric = metric_of(*metric);
  options.sync = sync_of(fsync);
  options.interval = std::chrono::milliseconds(static_cast<std::int64_t>(std::max(1.0, fsync_interval_ms)));
  options.read_only = read_only;
  options.queue_capacity = queue_capacity;
  options.queue_bytes = queue_bytes;
  options.batch_bytes = batch_bytes;
  options.m = m;
  options.ef_construction = ef_construction;
  options.seed = seed;
  options.threads = threads;
  options.page_cache_bytes = page_cache_bytes;
  if (!(half_life > 0))
    throw InvalidInput("half_life is " + std::to_string(half_life) + ": give seconds above 0");
  options.half_life = half_life;
  options.on_wait = check_signals;
  const Released released;
  return std::make_unique<Store>(FileSystem::system(), options);
}

void recover(Store& store, const py::function& step) {
  const Released released;
  store.recover([&step] {
    const Acquired gil;
    call_python(step);
  });
}

std::uint64_t put(Store& store, std::string_view id, const Floats& vector, OptionalText content,
                  OptionalText metadata, double confidence, double created_at,
                  const std::optional<std::string>& fsync, std::optional<double> timeout) {
  const float* row = row_of(store, vector);
  const std::optional<wal::Sync> sync = sync_of(fsync);
  engine::Entry entry;
  entry.id = id;
  entry.vector = reinterpret_cast<const std::byte*>(row);
  entry.content = content;
  entry.metadata = metadata;
  entry.confidence = confidence;
  entry.created_at = created_at;
  std::vector<std::byte> payload;
  payload.reserve(engine::encoded_size(entry, store.dim()));
  engine::encode(entry, store.dim(), payload);
  store.check_vector(reinterpret_cast<const float*>(payload.data() + engine::vector_offset(0)), std::nullopt);
  const Released released;
  return store.put(std::move(payload), sync, seconds(timeout));
}

void check_vectors(const Store& store, const Floats& vectors) {
  const float* rows = rows_of(store, vectors);
  const auto count = static_cast<std::size_t>(vectors.shape(0));
  const Released released;
  for (std::size_t i = 0; i < count; ++i) store.check_vector(rows + i * store.dim(), i);
}

// One row of store_many's arguments as an entry: views into what the lists hold.
engine::Entry entry_of(const py::list& ids, const float* vector, const std::optional<py::list>& contents,
                       const std::optional<py::list>& metadata, double created_at, std::size_t row) {
  engine::Entry entry;
  entry.id = py::cast<std::string_view>(ids[row]);
  entry.vector = reinterpret_cast<const std::byte*>(vector);
  if (contents) entry.content = py::cast<OptionalText>((*contents)[row]);
  if (metadata) entry.metadata = py::cast<OptionalText>((*metadata)[row]);
  entry.created_at = created_at;
  return entry;
}

// The rows from `begin` on as the log's payload of `bytes` bytes. Checked are the copies of the vectors, not
// what they were made from: another thread may have written into that since it was checked.
std::vector<std::byte> encoded(const Store& store, const std::vector<engine::Entry>& entries,
                               std::size_t begin, std::size_t bytes) {
  std::vector<std::byte> payload;
  payload.reserve(bytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t at = payload.size();
    engine::encode(entries[i], store.dim(), payload);
    store.check_vector(reinterpret_cast<const float*>(payload.data() + engine::vector_offset(at)), begin + i);
  }
  return payload;
}

py::tuple put_chunk(Store& store, std::size_t begin, const py::list& ids, const Floats& vectors,
                    const std::optional<py::list>& contents, const std::optional<py::list>& metadata,
                    double created_at, const std::optional<std::string>& fsync,
                    std::optional<double> timeout) {
  const float* rows = rows_of(store, vectors);
  const std::optional<wal::Sync> sync = sync_of(fsync);
  const auto count = static_cast<std::size_t>(vectors.shape(0));
  if (begin >= count || ids.size() != count || (contents && contents->size() != count) ||
      (metadata && metadata->size() != count)) {
    throw InvalidInput("put_chunk wants one id, content and metadata for each of " + std::to_string(count) +
                       " vectors, and a first row among them");
  }
  // With the GIL only what needs it: for 8,192 rows even that takes a millisecond or two.
  std::vector<engine::Entry> entries;
  std::size_t bytes = 0;
  const std::size_t end = std::min(count, begin + store.batch_rows());
  for (std::size_t row = begin; row < end; ++row) {
    const engine::Entry entry = entry_of(ids, rows + row * store.dim(), contents, metadata, created_at, row);
    const std::size_t size = engine::encoded_size(entry, store.dim());
    if (row > begin && bytes + size > store.batch_bytes()) break;
    entries.push_back(entry);
    bytes += size;
  }
  std::uint64_t lsn = 0;
  {
    const Released released;
    lsn = store.put(encoded(store, entries, begin, bytes), sync, seconds(timeout));
  }
  return py::make_tuple(lsn, entries.size());
}

py::object get(const Store& store, std::string_view id, double now) {
  std::optional<engine::Version> version;
  {
    const Released released;
    version = store.get(id, now);
  }
  if (!version) return py::none();
  Floats vector(static_cast<py::ssize_t>(version->vector.size()));
  std::memcpy(vector.mutable_data(), version->vector.data(), version->vector.size() * sizeof(float));
  return py::make_tuple(version->key, vector);
}

py::object payload(const Store& store, std::string_view id, std::uint64_t key) {
  const std::optional<engine::Payload> found = store.payload(id, key);
  if (!found) return py::none();
  return py::make_tuple(found->content, found->metadata, found->confidence, found->created_at);
}

void check_cue(const Store& store, const float* cue, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    store.check_vector(cue + i * store.dim(), count == 1 ? std::nullopt : std::optional(i));
  }
}

engine::RecallOptions recall_options(std::size_t k, std::size_t ef, double now,
                                     const std::array<double, engine::kTiers>& budgets_us, double total_us,
                                     unsigned tiers) {
  engine::RecallOptions options;
  options.k = k;
  options.ef = ef;
  options.now = now;
  options.budgets_us = budgets_us;
  options.total_us = total_us;
  for (std::size_t tier = 0; tier < engine::kTiers; ++tier) options.tiers[tier] = (tiers >> tier & 1) != 0;
  return options;
}

engine::Recalled recall(const Store& store, const Floats& cue, std::size_t k, std::size_t ef, double now,
                        const std::array<double, engine::kTiers>& budgets_us, double total_us,
                        unsigned tiers) {
  const float* row = row_of(store, cue);
  const Released released;
  check_cue(store, row, 1);
  return store.recall(row, recall_options(k, ef, now, budgets_us, total_us, tiers));
}

std::vector<engine::Recalled> recall_many(const Store& store, const Floats& cues, std::size_t k,
                                          std::size_t ef, double now,
                                          const std::array<double, engine::kTiers>& budgets_us,
                                          double total_us, unsigned tiers) {
  const float* rows = rows_of(store, cues);
  const auto count = static_cast<std::size_t>(cues.shape(0));
  const Released released;
  check_cue(store, rows, count);
  return store.recall_many(rows, count, recall_options(k, ef, now, budgets_us, total_us, tiers));
}

// One list of what `part` picks from each hit.
template <class Part>
py::list column(const engine::Recalled& recalled, Part&& part) {
  py::list values(recalled.hits.size());
  for (std::size_t i = 0; i < recalled.hits.size(); ++i) values[i] = part(recalled.hits[i]);
  return values;
}

py::dict searched(const engine::Recalled& recalled) {
  py::dict tiers;
  for (std::size_t tier = 0; tier < engine::kTiers; ++tier) {
    const engine::TierSearch& did = recalled.tiers[tier];
    if (!did.asked) continue;
    tiers[engine::kTierNames[tier]] =
        py::make_tuple(did.searched, did.found, did.elapsed_us, did.truncated, did.unnamed);
  }
  return tiers;
}

void bind_found(py::module_& module) {
  using engine::Found;
  using engine::Recalled;
  py::class_<Recalled>(module, "Found")
      .def_property_readonly(
          "ids", [](const Recalled& r) { return column(r, [](const Found& f) { return py::str(f.id); }); })
      .def_property_readonly(
          "keys", [](const Recalled& r) { return column(r, [](const Found& f) { return py::int_(f.key); }); })
      .def_property_readonly(
          "distances",
          [](const Recalled& r) { return column(r, [](const Found& f) { return py::float_(f.distance); }); })
      .def_property_readonly("confidences",
                             [](const Recalled& r) {
                               return column(r, [](const Found& f) { return py::float_(f.confidence); });
                             })
      .def_property_readonly("tiers",
                             [](const Recalled& r) {
                               return column(r, [](const Found& f) { return py::str(name_of(f.tier)); });
                             })
      .def_property_readonly("complete", &Recalled::complete)
      .def_property_readonly("damage",
                             [](const Recalled& r) -> py::object {
                               if (r.damage.empty()) return py::none();
                               return py::str(r.damage);
                             })
      .def_property_readonly("searched", &searched);
}

// The ids of a store as they were at some moment, handed out in pieces.
struct Ids {
  std::vector<std::string> all;

  py::list piece(std::size_t begin, std::size_t count) const {
    const std::size_t end = std::min(all.size(), begin + std::min(count, all.size()));
    py::list some;
    for (std::size_t i = begin; i < end; ++i) some.append(py::str(all[i]));
    return some;
  }
};

void bind_ids(py::module_& module) {
  py::class_<Ids>(module, "Ids")
      .def("__len__", [](const Ids& ids) { return ids.all.size(); })
      .def("piece", &Ids::piece, py::arg("begin"), py::arg("count"));
}

void bind_writes(py::class_<Store>& store) {
  store
      .def("put", &put, py::arg("id"), py::arg("vector").noconvert(), py::arg("content"), py::arg("metadata"),
           py::arg("confidence"), py::arg("created_at"), py::arg("fsync"), py::arg("timeout"))
      .def("check_vectors", &check_vectors, py::arg("vectors").noconvert())
      .def("put_chunk", &put_chunk, py::arg("begin"), py::arg("ids"), py::arg("vectors").noconvert(),
           py::arg("contents"), py::arg("metadata"), py::arg("created_at"), py::arg("fsync"),
           py::arg("timeout"))
      .def(
          "forget",
          [](Store& self, std::string_view id, const std::optional<std::string>& fsync,
             std::optional<double> timeout) {
            const std::optional<wal::Sync> sync = sync_of(fsync);
            const Released released;
            return self.forget(id, sync, seconds(timeout));
          },
          py::arg("id"), py::arg("fsync"), py::arg("timeout"));
}

void bind_reads(py::class_<Store>& store) {
  store.def("get", &get, py::arg("id"), py::arg("now") = 0.0)
      .def("payload", &payload, py::arg("id"), py::arg("key"))
      .def("key", &Store::key, py::arg("id"), NoGil())
      .def("__contains__", &Store::contains, py::arg("id"), NoGil())
      .def("__len__", &Store::size, NoGil())
      .def("ids", &Store::ids, NoGil())
      .def(
          "id_list", [](const Store& self) { return std::make_unique<Ids>(Ids{self.ids()}); }, NoGil())
      .def("recall", &recall, py::arg("cue").noconvert(), py::arg("k"), py::arg("ef"), py::arg("now") = 0.0,
           py::arg("budgets_us") = kNoBudgets, py::arg("total_us") = engine::kNoLimit,
           py::arg("tiers") = kAllTiers)
      .def("recall_many", &recall_many, py::arg("cues").noconvert(), py::arg("k"), py::arg("ef"),
           py::arg("now") = 0.0, py::arg("budgets_us") = kNoBudgets, py::arg("total_us") = engine::kNoLimit,
           py::arg("tiers") = kAllTiers);
}

void bind_waits(py::class_<Store>& store) {
  store.def("recover", &recover, py::arg("step"))
      .def(
          "wait_durable",
          [](Store& self, std::uint64_t lsn, std::optional<double> timeout) {
            return self.wait_durable(lsn, seconds(timeout));
          },
          py::arg("lsn"), py::arg("timeout"), NoGil())
      .def(
          "wait_indexed",
          [](const Store& self, std::uint64_t lsn, std::optional<double> timeout) {
            return self.wait_indexed(lsn, seconds(timeout));
          },
          py::arg("lsn"), py::arg("timeout"), NoGil())
      .def("flush", &Store::flush, NoGil())
      .def("checkpoint", &Store::checkpoint, NoGil());
}

}  // namespace

void bind_store(py::module_& module) {
  bind_found(module);
  bind_ids(module);
  py::class_<Store> store(module, "Store");
  store
      .def(py::init(&open_store), py::arg("path"), py::arg("dim"), py::arg("metric"), py::kw_only(),
           py::arg("fsync"), py::arg("fsync_interval_ms"), py::arg("read_only"), py::arg("queue_capacity"),
           py::arg("queue_bytes"), py::arg("batch_bytes"), py::arg("m"), py::arg("ef_construction"),
           py::arg("seed"), py::arg("threads"), py::arg("page_cache_bytes") = std::size_t{64} << 20,
           py::arg("half_life") = 7 * 86'400.0)
      .def_property_readonly("dim", &Store::dim)
      .def_property_readonly("metric", [](const Store& self) { return name_of(self.metric()); })
      .def_property_readonly("created", &Store::created)
      .def_property_readonly("text_limit", &Store::text_limit)
      .def_property_readonly("end_lsn", &Store::end_lsn)
      .def_property_readonly("visible_lsn", &Store::visible_lsn)
      .def_property_readonly("synced_lsn", &Store::synced_lsn)
      .def_property_readonly("indexed_lsn", &Store::indexed_lsn)
      .def_property_readonly("checkpoint_lsn", py::cpp_function(&Store::checkpoint_lsn, NoGil()))
      .def_property_readonly("catalog_lsn", py::cpp_function(&Store::catalog_lsn, NoGil()))
      .def("stats", &Store::stats, NoGil())
      .def("verify", &Store::verify, NoGil())
      .def("close", &Store::close, NoGil());
  bind_waits(store);
  bind_indexing(module, store);
  bind_metrics(module, store);
  bind_writes(store);
  bind_reads(store);
  bind_tiers(store);
}

}  // namespace engram::python
