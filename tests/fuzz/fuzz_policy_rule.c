/* Fuzzes eg_rule_compile, the rules of Azure Policy, then asks what was accepted of resources through a snapshot of one assignment.
 *
 *   ./dev fuzz policy_rule */
#include "rule.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void see(void *ctx, const eg_compliance *c) {
    size_t *n = ctx;
    ++*n;
    require(!c->denies || (!c->compliant && c->enforced));
}

static void use(eg_policy_assigned *a) {
    const eg_property properties[] = {{"Microsoft.Storage/storageAccounts/minimumTlsVersion", EG_LIT("TLS1_2")}, {"tags.owner", EG_LIT("ops")}};
    const eg_resource all = {.id = EG_LIT(SUB "/a"), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("lake"), .location = EG_LIT("here"),
                             .properties = properties, .property_count = 2};
    const eg_resource none = {.id = EG_LIT(SUB "/b")};
    const eg_policy pol = {.assigned = a, .assigned_count = 1};
    eg_compliance c;
    size_t n = 0;
    eg_policy_compliance(&pol, &all, see, &n);
    eg_policy_compliance(&pol, &none, see, &n);
    require(n <= 2 && (a->effect != EG_EFFECT_DISABLED || n == 0));
    require(!eg_policy_resource_denied(&pol, &all, &c) || a->effect == EG_EFFECT_DENY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    EG_JSON_AUTO declared = json_pack("{s:{s:s}, s:{s:s, s:s}, s:{s:s, s:[s]}}", "flag", "type", "Boolean", "effect", "type", "String", "defaultValue", "Deny", "names", "type", "Array",
                                      "defaultValue", "lake");
    EG_JSON_AUTO rule = NULL;
    eg_problem p = {0};
    eg_arena *arena = eg_arena_new(1 << 22);
    if (arena && declared && eg_json_parse((eg_str){(const char *)data, size}, EG_POLICY_FILE_BYTES_MAX, &rule, &p) == EG_OK) {
        const eg_policy_at at = {.name = "fuzzed.json"};
        for (int draft = 0; draft < 2; draft++) {
            const eg_rule_scope s = {.arena = arena, .declared = declared, .draft = draft};
            eg_policy_assigned a = {.scope = EG_LIT(SUB), .enforced = true};
            eg_problem why = {0};
            const eg_err e = eg_rule_compile(&s, &at, rule, &a.rule, &a.effect, &why);
            if (e == EG_OK && !draft) {
                use(&a);
            }
            require(e != EG_ERR_POLICY_INVALID || (why.message[0] != '\0' && why.where[0] != '\0'));
        }
    }
    eg_arena_free(arena);
    return 0;
}
