/* SPDX-License-Identifier: Apache-2.0 */
/* handle_proof.c - GetProof: from a record to the newest checkpoint */
#include "broker/inside.h"
#include "lib/err.h"

/* Why there is no proof of the position now: 0 when there is one. */
static int check_proof(const struct broker *b, uint64_t position, struct refusal *why)
{
    uint64_t head = journal_head(b->journal);

    if (position == 0 || position > head)
        return refuse(why, ERR_NOT_FOUND, "position",
                      "position %llu is not recorded; the log ends at %llu",
                      (unsigned long long)position, (unsigned long long)head);
    if (position > signer_size(b->signer))
        return refuse(why, ERR_BUSY, "position",
                      "no checkpoint covers position %llu yet; ask again in a second",
                      (unsigned long long)position);
    return 0;
}

void handle_get_proof(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Proof proof = CORE__PROOF__INIT;
    struct broker *b = c->b;
    const struct buf *note = signer_note(b->signer);
    struct refusal why = {0};
    struct hash path[TREE_LEVELS];
    ProtobufCBinaryData list[TREE_LEVELS];
    int n = 0;

    proof.position = c->frame->get_proof->position;
    int rc = check_proof(b, proof.position, &why);
    if (rc == 0)
        why.err = rc = tree_inclusion(proof.position - 1, signer_size(b->signer),
                                      journal_stored_hash, b->journal, path, &n);
    if (rc) {
        broker_refuse(b, c->peer, c->frame->ref, &why);
        return;
    }
    for (int i = 0; i < n; i++)
        list[i] = (ProtobufCBinaryData){HASH_SIZE, path[i].bytes};
    proof.checkpoint = (ProtobufCBinaryData){note->size, note->data};
    proof.n_path = (size_t)n;
    proof.path = list;
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_PROOF;
    frame.proof = &proof;
    peer_send(c->peer, &frame);
}
