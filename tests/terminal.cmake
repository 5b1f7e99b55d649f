# SPDX-License-Identifier: Apache-2.0
chancery_test(json lib_base proto_embargo)
foreach(name draft near pick progress text told)
  chancery_test(${name} adapter_terminal)
endforeach()

find_program(PYTHON python3 REQUIRED)
add_test(NAME integration.terminal COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/integration/terminal.py)
set_tests_properties(integration.terminal PROPERTIES TIMEOUT 600
  ENVIRONMENT "BUILD_DIR=${CMAKE_BINARY_DIR};SOURCE_DIR=${CMAKE_SOURCE_DIR}")
