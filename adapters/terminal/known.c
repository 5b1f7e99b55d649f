/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/known.h"

#include "chancery/alert/v1/alert.pb-c.h"
#include "chancery/clock/v1/clock.pb-c.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "chancery/core/v1/transcripts.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/types.h"

static const type_table known_types = {
    &core__log_founded__descriptor,
    &core__log_succeeded__descriptor,
    &core__return_ended__descriptor,
    &core__party_added__descriptor,
    &core__office_added__descriptor,
    &core__seat_admitted__descriptor,
    &core__key_added__descriptor,
    &core__key_revoked__descriptor,
    &core__access_rule__descriptor,
    &core__clock_accepted__descriptor,
    &core__clock_moved__descriptor,
    &core__office_changed__descriptor,
    &core__deputy_named__descriptor,
    &core__seat_standing__descriptor,
    &core__seat_delegations_withdrawn__descriptor,
    &core__key_rotated__descriptor,
    &core__group_set__descriptor,
    &core__stream_limited__descriptor,
    &core__lowering_allowed__descriptor,
    &core__part_purged__descriptor,
    &core__quorum_set__descriptor,
    &core__act_confirmed__descriptor,
    &core__act_withdrawn__descriptor,
    &core__refusals_counted__descriptor,
    &core__part_expired__descriptor,
    &core__request_refused__descriptor,
    &core__rules_adopted__descriptor,
    &core__worker_failed__descriptor,
    &core__retry_input__descriptor,
    &core__transcript_confirmed__descriptor,
    &core__transcript_disowned__descriptor,
    &sanctions__import_list__descriptor,
    &sanctions__party_published__descriptor,
    &sanctions__parties_gone__descriptor,
    &sanctions__snapshot_published__descriptor,
    &sanctions__imported__descriptor,
    &sanctions__unchanged__descriptor,
    &sanctions__import_refused__descriptor,
    &embargo__confirm_snapshot__descriptor,
    &embargo__reject_snapshot__descriptor,
    &embargo__baseline__descriptor,
    &embargo__notice__descriptor,
    &embargo__editorial_notice__descriptor,
    &embargo__editorial_detail__descriptor,
    &embargo__snapshot_taken__descriptor,
    &embargo__snapshot_set_aside__descriptor,
    &embargo__snapshot_confirmed__descriptor,
    &embargo__snapshot_rejected__descriptor,
    &clock__wake_at__descriptor,
    &clock__wake_cancel__descriptor,
    &clock__due__descriptor,
    &alert__sent__descriptor,
    &alert__failed__descriptor,
    &alert__rule_adopted__descriptor,
    NULL,
};

const ProtobufCMessageDescriptor *known_type(const char *name)
{
    return type_find(known_types, name);
}
