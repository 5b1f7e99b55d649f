# SPDX-License-Identifier: Apache-2.0
chancery_test(registry broker_core)
chancery_test(fold rig)
