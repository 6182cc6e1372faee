/* Asks a master on loopback how its cluster is. */
#ifndef EG_COMPUTE_CLUSTER_PROBE_H
#define EG_COMPUTE_CLUSTER_PROBE_H

#include <embergate/clock.h>
#include <embergate/crypto.h>

/* Two ports on loopback that nobody listens on now. */
eg_err eg_cluster_probe_free_ports(uint16_t *ret_a, uint16_t *ret_b) EG_MUST_CHECK;
/* EG_OK when the port accepts a connection within a second. */
eg_err eg_cluster_probe_port(uint16_t port) EG_MUST_CHECK;
/* GET /json/ of the master's web page, which org.apache.spark.ui.JWSFilter guards with ui_key. Takes at most 3 s. */
eg_err eg_cluster_probe_workers(uint16_t ui_port, const uint8_t ui_key[EG_KEY_LEN], int64_t now_s, unsigned *ret_alive, eg_problem *p) EG_MUST_CHECK;
/* The token for it: a JWS (RFC 7515) by HS256 that is good for five minutes. NUL-terminated. */
eg_err eg_cluster_probe_token(const uint8_t ui_key[EG_KEY_LEN], int64_t now_s, eg_buf *ret) EG_MUST_CHECK;

#endif
