# SPDX-License-Identifier: Apache-2.0
chancery_test(compare worker_embargo)
chancery_test(embargo worker_embargo rig)
chancery_test(embargo_chain worker_embargo rig)
add_dependencies(test_embargo_chain chancery-list-parse)

add_test(NAME embargo.list_diff COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/integration/list_diff.py
  $<TARGET_FILE:chancery-list-diff> ${CMAKE_SOURCE_DIR}/../shared/data/sanctions/un)
set_tests_properties(embargo.list_diff PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
