// The calls of a store that tell where memories lie and move them: the migrator's.
#pragma once

#include <pybind11/pybind11.h>

#include "engine/store.h"

namespace engram::python {

void bind_tiers(pybind11::class_<engine::Store>& store);

}  // namespace engram::python
