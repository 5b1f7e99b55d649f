# SPDX-License-Identifier: Apache-2.0
chancery_test(broker broker_core PkgConfig::SODIUM)
add_dependencies(test_broker chancery-broker)
chancery_test(commit broker_core PkgConfig::SODIUM)
