/* Times decisions over a large policy, in this process: 10,000 role assignments, 1,000 security rules, a principal with 200 groups.
 * Prints one JSON object: nanoseconds a decision of each kind, and how often any of them asked for memory: every malloc of this process is counted. */
#include <embergate/clock.h>
#include <embergate/policy.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 20000

/* In place of glibc's, for the program and for all its libraries. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
static size_t taken;

void *malloc(size_t n) {
    taken++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    taken++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    taken++;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n) {
    taken++;
    return __libc_memalign(alignment, n);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static eg_access access_of(const eg_principal *who, const char *tenant, const char *action, const char *scope) {
    eg_access a = {.who = who, .resource_tenant = eg_str_of(tenant), .action = eg_str_of(action), .data_action = true, .scope = eg_str_of(scope), .now_ns = 1};
    return a;
}

static double time_decision(const eg_policy *pol, const eg_access *a, bool expected) {
    eg_decision d;
    const double from = now();
    for (int i = 0; i < ROUNDS; i++) {
        eg_policy_decide(pol, a, &d);
        if (d.allowed != expected) {
            fprintf(stderr, "a decision came out wrong: %s\n", d.reason);
            exit(1);
        }
    }
    return (now() - from) / ROUNDS;
}

static double time_flow(const eg_policy *pol, const char *subnet) {
    eg_flow f = {.source_address = EG_LIT("203.0.113.9"), .source_port = 40000, .destination_port = 443, .subnet = eg_str_of(subnet)};
    eg_decision d;
    const double from = now();
    for (int i = 0; i < ROUNDS; i++) {
        eg_policy_network(pol, &f, &d);
    }
    return (now() - from) / ROUNDS;
}

/* usage: policy_decide DIR TENANT OBJECT_ID ACTION SCOPE GRANTED_SCOPE SUBNET < one group's id a line */
int main(int argc, char **argv) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    char line[64];
    if (argc != 8) {
        return 2;
    }
    const double from = now();
    if (eg_policy_load(argv[1], 1, &pol, &p) != EG_OK) {
        fprintf(stderr, "%s (%s)\n", p.message, p.where);
        return 1;
    }
    const double loaded = now() - from;
    eg_principal *who = eg_principal_new();
    if (!who || !(who->groups = calloc(EG_PRINCIPAL_GROUPS_MAX, sizeof *who->groups))) {
        return 1;
    }
    who->kind = EG_PRINCIPAL_USER;
    snprintf(who->tenant, sizeof who->tenant, "%s", argv[2]);
    snprintf(who->object_id, sizeof who->object_id, "%s", argv[3]);
    while (fgets(line, sizeof line, stdin) && who->group_count < EG_PRINCIPAL_GROUPS_MAX) {
        snprintf(who->groups[who->group_count++], EG_UUID_LEN, "%.36s", line);
    }
    eg_principal_index_groups(who);
    const eg_access denied = access_of(who, argv[2], argv[4], argv[5]), granted = access_of(who, argv[2], argv[4], argv[6]);
    const size_t before = taken;
    const double no = time_decision(pol, &denied, false), yes = time_decision(pol, &granted, true), flow = time_flow(pol, argv[7]);
    const size_t during = taken - before;
    if (before == 0) {
        fprintf(stderr, "reading the policy took no memory: nothing was counted\n");
        return 1;
    }
    printf("{\"load_ms\": %.1f, \"denied_ns\": %.0f, \"granted_ns\": %.0f, \"network_ns\": %.0f, \"allocations\": %zu}\n", loaded / 1e6, no, yes, flow, during);
    eg_principal_unref(who);
    eg_policy_unref(pol);
    return 0;
}
