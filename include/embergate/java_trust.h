/* Certificates that are trusted, as the key store format that every Java reads. compute/trust_jks.c implements it. */
#ifndef EMBERGATE_JAVA_TRUST_H
#define EMBERGATE_JAVA_TRUST_H

#include <embergate/bytes.h>

#define EG_TRUST_JKS_PASSWORD "changeit" /* protects nothing: it holds public certificates, and is the format's integrity check */

/* Appends a JKS (version 2) with every certificate of a PEM text as a trusted entry. The same text gives the same bytes.
 * EG_ERR_CONFIG when there is no certificate in it or one can't be read. */
eg_err eg_trust_jks(eg_str pem, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;

#endif
