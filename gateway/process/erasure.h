/* Cryptographic erase of a tenant, and the certificate that says what became unreadable. */
#ifndef GATEWAY_PROCESS_ERASURE_H
#define GATEWAY_PROCESS_ERASURE_H

#include "admin_server.h"

typedef struct eg_erasure {
    eg_str tenant;
    eg_str reason;
    eg_str escrows;            /* JSON array of {"path","state"}: copies of the keys elsewhere, and whether they were reached */
} eg_erasure;

/* Done again it finishes what was interrupted and gives the certificate anew. *ret is its JSON text. */
eg_err eg_erasure_run(const eg_admin_options *o, const eg_erasure *e, eg_buf *ret_certificate, eg_problem *p) EG_MUST_CHECK;

/* Checks a certificate: signed by its key over a statement of erasure, and by `verifier_key` ("name+hash+base64") unless that is empty. *ret_statement is the JSON in it. */
eg_err eg_erasure_verify(eg_str certificate, eg_str verifier_key, eg_buf *ret_statement, eg_problem *p) EG_MUST_CHECK;

#endif
