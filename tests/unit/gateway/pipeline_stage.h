/* A stage for tests of the pipeline: real door, real tokens, real policies, real audit log, handlers of its own, and a client that asks. One at a time. */
#ifndef EG_TEST_PIPELINE_STAGE_H
#define EG_TEST_PIPELINE_STAGE_H

#include "identity_fixture.h"

#include "api/ops.h"
#include "door/door.h"
#include "door_client.h"
#include "pipeline/pipeline.h"

#include <embergate/metrics.h>

#include <stdatomic.h>

#define GROUP "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001/resourceGroups/lab"
#define SPARK GROUP "/providers/Microsoft.HDInsight/clusters/spark"
#define LAKE GROUP "/providers/Microsoft.Storage/storageAccounts/lake"
#define SUBNET GROUP "/providers/Microsoft.Network/virtualNetworks/lab/subnets/gateway"
#define NSG GROUP "/providers/Microsoft.Network/networkSecurityGroups/front"

typedef struct stage {
    fixture *f;
    eg_keys keys;             /* the keeper's, with a switch */
    atomic_bool keys_fail;
    eg_audit *audit;
    eg_policy_watch *watch;
    eg_router *router;
    eg_ops *ops;
    eg_pipeline *pipeline;
    eg_door *door;
    SSL_CTX *tls;
    unsigned port;
    int listener;
    atomic_int freed, acted, committed;
    char token[2][8192];      /* for the gateway, for storage */
} stage;

extern stage *the_stage; /* handlers find it here */

int stage_set_up(void **state);
int stage_tear_down(void **state);
#define ON_STAGE(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

/* A file of the policy directory. */
void stage_put(const char *name, const char *fmt, ...) EG_PRINTF(2, 3);
void stage_assign(const char *name, const char *role, const char *scope);
void stage_make_token(int i, const char *audience, const char *more);
void stage_put_network(const char *access); /* "Allow" or "Deny": who comes from loopback */

/* Whose token a request has. */
enum { NOBODY = -1, GATEWAY = 0, STORAGE = 1 };

answer stage_ask_on(client *c, const char *line, const char *more, int token);
answer stage_ask(const char *line, const char *more, int token);
void stage_expect(const char *line, int token, int status, const char *in_body);
void stage_wait_ms(long ms);
int64_t stage_records(void); /* how many were made */

#endif
