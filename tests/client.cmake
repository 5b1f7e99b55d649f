# SPDX-License-Identifier: Apache-2.0
add_executable(bench_publish EXCLUDE_FROM_ALL bench/publish.c)
target_link_libraries(bench_publish PRIVATE lib_client)
chancery_target(bench_publish)
add_dependencies(benches bench_publish)
