/* The system calls that the gateway process may make. */
#ifndef GATEWAY_PROCESS_SECCOMP_FILTER_H
#define GATEWAY_PROCESS_SECCOMP_FILTER_H

#include <embergate/err.h>
#include <stdbool.h>

/* Installs the allow-list for this process and all its later threads; needs no_new_privs. Starting programs, tracing and changing
 * user end the process; any other call that is not listed fails with EPERM. *ret_on is false in builds with sanitizers, which need more. */
eg_err eg_seccomp_gateway(bool *ret_on, eg_problem *p) EG_MUST_CHECK;

#endif
