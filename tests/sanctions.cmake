# SPDX-License-Identifier: Apache-2.0
chancery_test(un adapter_sanctions)
chancery_test(list adapter_sanctions PkgConfig::UTF8PROC)
chancery_test(feed adapter_sanctions lib_worker)
chancery_test(sandbox list_sandbox)

add_executable(bench_un_parse EXCLUDE_FROM_ALL bench/un_parse.c)
target_include_directories(bench_un_parse PRIVATE ${CMAKE_BINARY_DIR}/include/tests)
target_link_libraries(bench_un_parse PRIVATE adapter_sanctions)
target_compile_definitions(bench_un_parse PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}")
chancery_target(bench_un_parse)
add_dependencies(benches bench_un_parse)
