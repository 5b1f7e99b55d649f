# SPDX-License-Identifier: Apache-2.0
chancery_test(json lib_base proto_embargo)
chancery_test(text adapter_terminal)
