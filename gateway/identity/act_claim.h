/* The claim `act` (RFC 8693 section 4.1) of tokens that the gateway issued in exchange for others: who acts for the principal. */
#ifndef EG_GATEWAY_IDENTITY_ACT_CLAIM_H
#define EG_GATEWAY_IDENTITY_ACT_CLAIM_H

#include <embergate/json.h>
#include <embergate/principal.h>

/* When the first of the tokens that were exchanged was issued. */
#define EG_ACT_SUBJECT_IAT "eg_subject_iat"

/* EG_ERR_INVALID for anything that eg_act_claim_make doesn't write, or more actors than there may be. */
eg_err eg_act_claim_read(const json_t *act, eg_acting *ret) EG_MUST_CHECK;
/* A reference for the caller; NULL without memory. */
json_t *eg_act_claim_make(const eg_acting *a);
/* `now` before those who acted already (NULL = nobody did). EG_ERR_LIMIT: there are too many. */
eg_err eg_act_claim_push(const eg_acting *before, const eg_actor *now, eg_acting *ret) EG_MUST_CHECK;

#endif
