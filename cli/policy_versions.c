/* `embergate policy history`, `show`, `rollback`, `pending`, `approve`, `reject` and `activate`. */
#include "policy_place.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <stdlib.h>

static eg_err number_operand(const eg_policy_orders *o, json_int_t *ret, eg_problem *p) {
    uint64_t n = 0;
    if (!o->operands[0] || o->operands[1] || eg_str_u64(eg_str_of(o->operands[0]), INT64_MAX, &n) != EG_OK || n == 0) {
        return eg_fail(p, EG_ERR_INVALID, "the number of a version is owed: embergate policy history lists them");
    }
    *ret = (json_int_t)n;
    return EG_OK;
}

static eg_str who_of(const json_t *author) {
    const eg_str oid = eg_json_str(author, "oid");
    return oid.len > 0 ? oid : eg_json_str(author, "by");
}

static void put(const char *before, eg_str text, const char *after) {
    fputs(before, stdout);
    eg_cli_put_inert(stdout, text);
    fputs(after, stdout);
}

static void tell_row(const json_t *row) {
    const json_int_t changes = json_integer_value(json_object_get(row, "changes"));
    const eg_str ticket = eg_json_str(row, "ticket"), why = eg_json_str(row, "justification");
    const json_t *approver = json_object_get(row, "approver");
    printf("%-6lld ", (long long)json_integer_value(json_object_get(row, "version")));
    put("", eg_json_str(row, "time"), "  ");
    put("", who_of(json_object_get(row, "author")), "");
    if (approver) {
        put(" and ", who_of(approver), "");
    }
    put("  ", eg_json_str(row, "event"), "");
    printf("  %lld document%s", (long long)changes, changes == 1 ? "" : "s");
    if (ticket.len > 0) {
        put("  [", ticket, "]");
    }
    if (why.len > 0) {
        put("  ", why, "");
    }
    putchar('\n');
}

eg_err eg_cli_policy_history(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO in = json_pack("{s:i}", "limit", 200);
    EG_JSON_AUTO all = NULL;
    EG_TRY(eg_policy_place_ask(o->place, "history", in, &all, p));
    const json_t *list = json_object_get(all, "versions");
    if (o->json) {
        eg_cli_print_json(list);
        return EG_OK;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        tell_row(json_array_get(list, i));
    }
    return EG_OK;
}

static void tell_document(const char *sign, const json_t *v) {
    char *text = json_is_object(v) ? json_dumps(v, JSON_INDENT(2)) : NULL;
    eg_str rest = eg_str_of(text);
    while (rest.ptr && rest.len > 0) {
        fputs(sign, stdout);
        eg_cli_put_inert(stdout, eg_str_cut(&rest, '\n'));
        putchar('\n');
    }
    free(text);
}

eg_err eg_cli_policy_show(const eg_policy_orders *o, eg_problem *p) {
    json_int_t version = 0;
    EG_JSON_AUTO row = NULL;
    EG_TRY(number_operand(o, &version, p));
    EG_JSON_AUTO in = json_pack("{s:I}", "version", version);
    EG_TRY(eg_policy_place_ask(o->place, "version", in, &row, p));
    if (o->json) {
        eg_cli_print_json(row);
        return EG_OK;
    }
    tell_row(row);
    const json_t *list = json_object_get(row, "documents");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        put("\n", eg_json_str(v, "id"), "\n");
        tell_document("- ", json_object_get(v, "before"));
        tell_document("+ ", json_object_get(v, "after"));
    }
    if (json_is_true(json_object_get(row, "contentDropped"))) {
        puts("\nwhat it changed is not kept any more");
    }
    return EG_OK;
}

eg_err eg_cli_policy_rollback(const eg_policy_orders *o, eg_problem *p) {
    json_int_t version = 0;
    EG_TRY(number_operand(o, &version, p));
    EG_JSON_AUTO in = json_pack("{s:I}", "version", version);
    return eg_cli_policy_send(o, "rollback", in, p);
}

eg_err eg_cli_policy_pending(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO in = json_object();
    EG_JSON_AUTO all = NULL;
    EG_TRY(eg_policy_place_ask(o->place, "pending", in, &all, p));
    const json_t *list = json_object_get(all, "pending");
    if (o->json) {
        eg_cli_print_json(list);
        return EG_OK;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        put("", eg_json_str(v, "id"), "  until ");
        put("", eg_json_str(v, "expires"), "  by ");
        put("", who_of(json_object_get(v, "author")), "");
        printf("  %zu documents put, %zu taken away", json_array_size(json_object_get(v, "puts")), json_array_size(json_object_get(v, "deletes")));
        put("  [", eg_json_str(v, "ticket"), "]  ");
        put("", eg_json_str(v, "justification"), "\n");
    }
    if (json_array_size(list) == 0) {
        puts("nothing waits for a second person");
    }
    return EG_OK;
}

static eg_err decide(const eg_policy_orders *o, const char *verb, json_t **ret, eg_problem *p) {
    if (!o->operands[0] || o->operands[1] || !eg_uuid_valid(eg_str_of(o->operands[0]))) {
        return eg_fail(p, EG_ERR_INVALID, "the id of a change that waits is owed: embergate policy pending lists them");
    }
    EG_JSON_AUTO in = json_pack("{s:s}", "id", o->operands[0]);
    return eg_policy_place_ask(o->place, verb, in, ret, p);
}

eg_err eg_cli_policy_approve(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(decide(o, "approve", &v, p));
    if (o->json) {
        eg_cli_print_json(v);
    } else {
        printf("version %lld is in force\n", (long long)json_integer_value(json_object_get(v, "version")));
    }
    return EG_OK;
}

eg_err eg_cli_policy_reject(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(decide(o, "reject", &v, p));
    puts(o->json ? "{}" : "rejected; nothing has changed");
    return EG_OK;
}

/* In the person's own right, by Azure's own request. */
eg_err eg_cli_policy_activate(const eg_policy_orders *o, eg_problem *p) {
    char name[EG_UUID_LEN], path[2048];
    EG_JSON_AUTO v = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf scope;
    eg_buf_init(&scope, 1600);
    if (!o->operands[0] || !o->grant->scope || !o->duration || !o->justification) {
        return eg_fail(p, EG_ERR_INVALID, "the role, --scope, --duration (such as PT4H) and --justification are owed");
    }
    eg_uuid_new(name);
    EG_TRY(eg_percent_encode(eg_str_of(o->grant->scope), true, &scope));
    (void)snprintf(path, sizeof path, "%s/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/%s?api-version=2020-10-01", scope.ptr ? scope.ptr : "", name);
    EG_JSON_AUTO body = json_pack("{s:{s:s, s:s, s:s, s:{s:s}, s:{s:{s:s, s:s}}}}", "properties", "requestType", "SelfActivate", "roleDefinitionId", o->operands[0], "justification",
                                  o->justification, "ticketInfo", "ticketNumber", o->ticket ? o->ticket : "", "scheduleInfo", "expiration", "type", "AfterDuration", "duration",
                                  o->duration);
    EG_TRY(body ? eg_cli_send_json("PUT", path, body, &v, p) : eg_fail(p, EG_ERR_INVALID, "texts must be UTF-8"));
    if (o->json) {
        eg_cli_print_json(v);
    } else {
        printf("%s is active at %s for %s\n", o->operands[0], o->grant->scope, o->duration);
    }
    return EG_OK;
}
