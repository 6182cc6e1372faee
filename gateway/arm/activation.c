/* Activation of an eligible assignment: Azure's roleAssignmentScheduleRequests with requestType SelfActivate. */
#include "document.h"

#include <embergate/crypto.h>

#include <embergate/clock.h>
#include <stdio.h>

#define REQUEST_TYPE "Microsoft.Authorization/roleAssignmentScheduleRequests"
#define SCHEDULE_MAX ((size_t)65536)
#define SECOND_NS 1000000000

static eg_err refuse(eg_request *rq, const char *why) {
    return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "%s", why);
}

/* ISO 8601: "PT8H", "PT1H30M", "PT300S". */
static eg_err read_duration(eg_str s, int64_t *ret) {
    static const struct { char unit; int64_t seconds; } units[] = {{'H', 3600}, {'M', 60}, {'S', 1}};
    int64_t sum = 0;
    size_t unit = 0, at = 2;
    if (!eg_str_starts(s, "PT") || s.len == 2) {
        return EG_ERR_INVALID;
    }
    while (at < s.len) {
        uint64_t n = 0;
        size_t from = at;
        while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9') {
            at++;
        }
        if (at == s.len || eg_str_u64((eg_str){s.ptr + from, at - from}, 1000000, &n) != EG_OK) {
            return EG_ERR_INVALID;
        }
        while (unit < 3 && units[unit].unit != s.ptr[at]) {
            unit++;
        }
        if (unit == 3) {
            return EG_ERR_INVALID;
        }
        sum += (int64_t)n * units[unit++].seconds;
        at++;
    }
    *ret = sum;
    return EG_OK;
}

/* scheduleInfo: {"startDateTime"?, "expiration": {"type": "AfterDuration" | "AfterDateTime", …}}. */
static eg_err read_schedule(eg_request *rq, const json_t *properties, int64_t *ret_seconds) {
    const json_t *expiration = json_object_get(json_object_get(properties, "scheduleInfo"), "expiration");
    const eg_str type = eg_json_str(expiration, "type"), until = eg_json_str(expiration, "endDateTime"), start = eg_json_str(json_object_get(properties, "scheduleInfo"), "startDateTime");
    int64_t ns = 0;
    if (start.ptr && (eg_time_parse_rfc3339(start, &ns) != EG_OK || ns > rq->received_ns + 60 * (int64_t)SECOND_NS)) {
        return refuse(rq, "properties.scheduleInfo.startDateTime: an activation begins at once.");
    }
    if (eg_str_ieq(type, EG_LIT("AfterDuration"))) {
        return read_duration(eg_json_str(expiration, "duration"), ret_seconds) == EG_OK ? EG_OK : refuse(rq, "properties.scheduleInfo.expiration.duration: such as \"PT2H\" is expected.");
    }
    if (eg_str_ieq(type, EG_LIT("AfterDateTime")) && eg_time_parse_rfc3339(until, &ns) == EG_OK && ns > rq->received_ns) {
        *ret_seconds = (ns - rq->received_ns) / SECOND_NS;
        return EG_OK;
    }
    return refuse(rq, "properties.scheduleInfo.expiration: AfterDuration or AfterDateTime with a time to come is expected.");
}

static eg_err read_request(eg_request *rq, const json_t *body, eg_policy_activation *out) {
    const json_t *properties = json_object_get(body, "properties"), *ticket = json_object_get(properties, "ticketInfo");
    const eg_str principal = eg_json_str(properties, "principalId");
    if (!eg_str_ieq(eg_json_str(properties, "requestType"), EG_LIT("SelfActivate"))) {
        return eg_fail(&rq->problem, EG_ERR_NOT_BUILT, "The request type must be SelfActivate; assignments are made by roleAssignments.");
    }
    if (!eg_uuid_valid(rq->params[1])) {
        return refuse(rq, "The name of the request must be a GUID.");
    }
    if (principal.ptr && !eg_str_ieq(principal, eg_str_of(rq->principal->object_id))) {
        return refuse(rq, "properties.principalId: one activates for oneself.");
    }
    *out = (eg_policy_activation){.who = rq->principal, .name = rq->params[1], .role = eg_json_str(properties, "roleDefinitionId"), .scope = rq->params[0],
                                  .ticket = eg_json_str(ticket, "ticketNumber"), .justification = eg_json_str(properties, "justification")};
    if (out->role.len == 0) {
        return refuse(rq, "properties.roleDefinitionId is missing.");
    }
    return read_schedule(rq, properties, &out->seconds);
}

eg_err eg_arm_activate(eg_request *rq) {
    const eg_arm *a = rq->room;
    EG_JSON_AUTO body = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf schedule;
    eg_buf_init(&schedule, SCHEDULE_MAX);
    eg_policy_activation what;
    if (!a->o.policies) {
        return eg_fail(&rq->problem, EG_ERR_NOT_BUILT, "There is no policy store to write to.");
    }
    EG_TRY(eg_arm_doc_body(rq, &body));
    EG_TRY(read_request(rq, body, &what));
    eg_policy_request_record state = {rq, 201};
    const eg_policy_recorder recorder = eg_policy_request_recorder(&state);
    EG_TRY(eg_policy_store_activate(a->o.policies, &what, &recorder, &schedule, &rq->problem));
    json_t *properties = json_object_get(body, "properties");
    eg_str id;
    EG_TRY(eg_arm_path_id(rq, &id));
    (void)json_object_set_new(properties, "status", json_string("Provisioned"));
    (void)json_object_set_new(properties, "scope", json_stringn(rq->params[0].ptr, rq->params[0].len));
    (void)json_object_set_new(properties, "principalId", json_string(rq->principal->object_id));
    (void)json_object_set_new(properties, "targetRoleAssignmentScheduleId", json_sprintf("%.*s/providers/Microsoft.Authorization/roleAssignmentSchedules/%.*s",
                                                                                       EG_FMT(rq->params[0]), EG_FMT(rq->params[1])));
    return eg_respond_json(rq, 201, json_pack("{s:s%,s:s%,s:s,s:O}", "id", id.ptr, id.len, "name", rq->params[1].ptr, rq->params[1].len, "type", REQUEST_TYPE, "properties",
                                              properties));
}
