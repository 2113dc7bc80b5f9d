# Contraction into fused operations would make score_codes differ from table to table; kernels that want a fused
# operation say so. Without errno a square root is one instruction.
target_compile_options(engram_simd PRIVATE -ffp-contract=off -fno-math-errno)

function(engram_simd_flags file)
  set_source_files_properties(src/native/simd/${file} PROPERTIES COMPILE_OPTIONS "${ARGN}")
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 -mavx2 -mfma -mf16c)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND avx512 -Wno-uninitialized -Wno-maybe-uninitialized)  # false alarms inside its own intrinsics (GCC bug 105593)
  endif()
  engram_simd_flags(avx2.cpp ${avx2})
  engram_simd_flags(avx2vnni.cpp ${avx2} -mavxvnni)
  engram_simd_flags(avx512.cpp ${avx512})
  engram_simd_flags(avx512vnni.cpp ${avx512} -mavx512vnni)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  engram_simd_flags(neondot.cpp -march=armv8.2-a+dotprod)
endif()
