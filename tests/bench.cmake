# SPDX-License-Identifier: Apache-2.0
# bench/<name>.c: figures, never assertions; built by the target `benches`, run by bench/run.py
add_library(bench STATIC EXCLUDE_FROM_ALL bench/bench.c)
target_include_directories(bench PUBLIC ${CMAKE_BINARY_DIR}/include/tests)
target_link_libraries(bench PUBLIC lib_base Threads::Threads)
chancery_target(bench)

function(chancery_bench name)
  add_executable(bench_${name} EXCLUDE_FROM_ALL bench/${name}.c)
  target_link_libraries(bench_${name} PRIVATE bench ${ARGN})
  chancery_target(bench_${name})
endfunction()

chancery_bench(base)
chancery_bench(access broker_core)
chancery_bench(bombs)
target_sources(bench_bombs PRIVATE support/bombs.c)
chancery_bench(journal broker_log)
chancery_bench(limit PkgConfig::LMDB PkgConfig::ZMQ)
chancery_bench(un_parse adapter_sanctions worker_embargo)
chancery_bench(client lib_client)

# The programs with steps that can be left out (bench/without.h): calls of the functions named go there.
function(chancery_without target)
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/include/tests)
  foreach(name ${ARGN})
    target_link_options(${target} PRIVATE -Wl,--wrap=${name})
  endforeach()
  chancery_target(${target})
endfunction()

target_sources(bench_client PRIVATE bench/without_curve.c)
chancery_without(bench_client zmq_setsockopt)
add_executable(bench_broker EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/broker/main.c
  bench/without_curve.c bench/without_signatures.c bench/without_broker.c)
target_link_libraries(bench_broker PRIVATE broker_core)
chancery_without(bench_broker zmq_setsockopt zmq_msg_gets zap_self_test sign_root_check tree_log_leaf tree_append)
get_target_property(log_sources chancery-log SOURCES)
list(TRANSFORM log_sources PREPEND ${CMAKE_SOURCE_DIR}/broker/)
add_executable(bench_verify EXCLUDE_FROM_ALL ${log_sources} bench/without_signatures.c)
target_link_libraries(bench_verify PRIVATE broker_backup broker_proof)
chancery_without(bench_verify sign_root_check)

# what is installed has nothing to switch off
add_test(NAME bench.nothing_installed_leaves_a_step_out
  COMMAND sh -c "! grep -l BENCH_WITHOUT $<TARGET_FILE:chancery-broker> $<TARGET_FILE:chancery-log>")
