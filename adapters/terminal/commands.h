/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - what the table of verbs runs: one function a verb */
#pragma once

#include "adapters/terminal/verb.h"

int status_run(const struct call *c);
int top_run(const struct call *c);
const char *list_of(const struct call *c); /* --list, or "un" */
int list_import_run(const struct call *c);
int list_show_run(const struct call *c);
int list_history_run(const struct call *c);
int list_status_run(const struct call *c);
struct Embargo__ListStatus;
void show_list_status(const struct Embargo__ListStatus *l);
int list_ls_run(const struct call *c);
int list_confirm_run(const struct call *c);
int list_reject_run(const struct call *c);
int event_ls_run(const struct call *c);
int event_show_run(const struct call *c);
int event_confirm_run(const struct call *c);
int event_verify_run(const struct call *c);
int event_publish_run(const struct call *c);
int watch_run(const struct call *c);
int receipt_ls_run(const struct call *c);
int receipt_show_run(const struct call *c);
int receipt_check_run(const struct call *c);
int receipt_prove_run(const struct call *c);
int event_prove_run(const struct call *c);
int part_ls_run(const struct call *c);
int part_purge_run(const struct call *c);
int log_head_run(const struct call *c);
int log_check_run(const struct call *c);
int key_new_run(const struct call *c);
int key_show_run(const struct call *c);
int key_export_age_run(const struct call *c);
int part_open_run(const struct call *c);
int key_fingerprint_run(const struct call *c);
int join_run(const struct call *c);
int seat_ls_run(const struct call *c);
int seat_show_run(const struct call *c);
int seat_invite_run(const struct call *c);
int seat_invitations_run(const struct call *c);
int seat_admit_run(const struct call *c);
int seat_rotate_run(const struct call *c);
int seat_revoke_run(const struct call *c);
int seat_leave_run(const struct call *c);
int seat_return_run(const struct call *c);
int seat_delegate_run(const struct call *c);
int seat_withdraw_run(const struct call *c);
int party_add_run(const struct call *c);
int office_ls_run(const struct call *c);
int office_add_run(const struct call *c);
int office_set_run(const struct call *c);
int office_deputy_run(const struct call *c);
int group_ls_run(const struct call *c);
int group_set_run(const struct call *c);
int access_ls_run(const struct call *c);
int access_allow_run(const struct call *c);
int access_deny_run(const struct call *c);
int access_rm_run(const struct call *c);
int access_limit_run(const struct call *c);
int access_test_run(const struct call *c);
int quorum_set_run(const struct call *c);
int act_ls_run(const struct call *c);
int act_confirm_run(const struct call *c);
int act_withdraw_run(const struct call *c);
int worker_ls_run(const struct call *c);
int worker_retry_run(const struct call *c);
int clock_accept_run(const struct call *c);
int clock_move_run(const struct call *c);
int up_run(const struct call *c);
int doctor_run(const struct call *c);
int demo_run(const struct call *c);
int completion_run(const struct call *c);
int help_run(const struct call *c);
