# The CRC instruction is optional in ARMv8.0; base/crc32c.cpp asks the processor before it calls this file.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set_source_files_properties(src/native/base/crc32c_instruction.cpp PROPERTIES COMPILE_OPTIONS -march=armv8-a+crc)
endif()
