# Contraction into fused operations would make score_codes differ from table to table; kernels that want a fused
# operation say so.
target_compile_options(engram_simd PRIVATE -ffp-contract=off)
