# SPDX-License-Identifier: Apache-2.0
chancery_test(registry broker_core)
chancery_test(mutants broker_core)
target_sources(test_mutants PRIVATE support/oracle.c)
add_dependencies(test_mutants chancery-init)
chancery_test(merge lib_worker)
chancery_test(fold rig)
target_sources(test_fold PRIVATE support/tally.c)

# a worker of its own kind as a process, and the same mended
foreach(name tally tally_mended)
  add_executable(${name} support/tally.c support/tally_main.c)
  target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/include/tests)
  target_link_libraries(${name} PRIVATE lib_runtime)
  chancery_target(${name})
endforeach()
target_compile_definitions(tally_mended PRIVATE TALLY_MENDED)
