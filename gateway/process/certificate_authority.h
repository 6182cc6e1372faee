/* The private certificate authority that `embergate init` makes, and the server certificates it signs. */
#ifndef GATEWAY_PROCESS_CERTIFICATE_AUTHORITY_H
#define GATEWAY_PROCESS_CERTIFICATE_AUTHORITY_H

#include <embergate/bytes.h>

typedef struct eg_ca_request {
    const char *common_name;
    const char *const *names;   /* DNS names and IP addresses, told apart by their form; NULL-terminated */
    int days;                   /* validity of the server certificate */
} eg_ca_request;

/* PEM of a new P-256 key and self-signed CA certificate (10 years). Both buffers are initialised by the caller;
 * the key is secret: cleanse it. */
eg_err eg_ca_new(const char *common_name, eg_buf *ret_key, eg_buf *ret_certificate, eg_problem *p) EG_MUST_CHECK;
/* PEM of a new P-256 key and of a server certificate for it, signed by the CA. */
eg_err eg_ca_issue(eg_str ca_key, eg_str ca_certificate, const eg_ca_request *rq,
                   eg_buf *ret_key, eg_buf *ret_certificate, eg_problem *p) EG_MUST_CHECK;

#endif
