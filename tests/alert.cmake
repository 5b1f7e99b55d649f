# SPDX-License-Identifier: Apache-2.0
chancery_test(rule adapter_alert)
chancery_test(digest adapter_alert)
chancery_test(mail adapter_alert)

# sends a scenario's mails to a real SMTP server, read by Python's email package
add_executable(mail_once support/mail_once.c)
target_include_directories(mail_once PRIVATE ${CMAKE_BINARY_DIR}/include/tests)
target_link_libraries(mail_once PRIVATE adapter_alert)
chancery_target(mail_once)
add_test(NAME integration.mail
         COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/integration/mail.py
                 $<TARGET_FILE:mail_once> $<TARGET_FILE:chancery-mail-sink>)
set_tests_properties(integration.mail PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)

# the adapter as a process, between a real broker and a real SMTP server
add_test(NAME integration.alert COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/integration/alert.py)
set_tests_properties(integration.alert PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "BUILD_DIR=${CMAKE_BINARY_DIR};SOURCE_DIR=${CMAKE_SOURCE_DIR}")

# the fuzz target of mails needs the adapter, which the loop over fuzz/*.c does not name
cmake_language(DEFER CALL target_link_libraries fuzz_mail PRIVATE adapter_alert)
