/* Reads pages of groups and access tokens as Graph and OAuth endpoints give them. */
#include "graph_answer.h"

#include <stdlib.h>
#include <string.h>

#define LIFE_MAX_S 86400

static bool copy_guid(eg_str s, char ret[EG_UUID_LEN]) {
    if (!eg_uuid_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        ret[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'F' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    }
    ret[s.len] = '\0';
    return true;
}

static eg_err bad(eg_problem *p, const char *why) {
    return eg_fail(p, EG_ERR_INVALID, "The answer of the groups' endpoint %s.", why);
}

/* transitiveMemberOf gives directory roles and administrative units too, which no token has among its groups. */
static bool is_other_object(const json_t *one) {
    const eg_str type = eg_json_str(one, "@odata.type");
    return json_is_object(one) && type.len > 0 && !eg_str_ends(type, ".group");
}

static eg_err add(const json_t *one, eg_principal *to, eg_problem *p) {
    const eg_str id = json_is_object(one) ? eg_json_str(one, "id") : (eg_str){json_string_value(one), json_string_length(one)};
    if (!copy_guid(id, to->groups[to->group_count])) {
        return bad(p, "holds something that is not a group's id");
    }
    to->group_count++;
    return EG_OK;
}

eg_err eg_graph_groups_read(eg_str text, size_t max, eg_principal *to, char ret_next[EG_GRAPH_LINK_MAX], eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    size_t i;
    const json_t *one;
    EG_TRY(eg_json_parse(text, EG_GRAPH_ANSWER_MAX, &v, NULL) == EG_OK ? EG_OK : bad(p, "is not JSON"));
    const json_t *list = json_object_get(v, "value"), *link = json_object_get(v, "@odata.nextLink");
    if (!json_is_array(list) || (link && (!json_is_string(link) || json_string_length(link) == 0 || json_string_length(link) >= EG_GRAPH_LINK_MAX))) {
        return bad(p, "has no list of groups, or no next page that could be asked for");
    }
    if (json_array_size(list) > max - to->group_count) {
        return eg_fail(p, EG_ERR_LIMIT, "There are more than %zu groups.", max);
    }
    char (*grown)[EG_UUID_LEN] = realloc(to->groups, (to->group_count + json_array_size(list) + 1) * sizeof *grown);
    if (!grown) {
        return EG_ERR_NO_MEMORY;
    }
    to->groups = grown;
    json_array_foreach(list, i, one) {
        if (!is_other_object(one)) {
            EG_TRY(add(one, to, p));
        }
    }
    const char *next = link ? json_string_value(link) : "";
    memcpy(ret_next, next, strlen(next) + 1);
    return EG_OK;
}

eg_err eg_graph_token_read(eg_str text, eg_buf *ret, int64_t *ret_life_s, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(eg_json_parse(text, EG_GRAPH_ANSWER_MAX, &v, NULL) == EG_OK ? EG_OK : bad(p, "is not JSON"));
    const eg_str token = eg_json_str(v, "access_token");
    const json_t *life = json_object_get(v, "expires_in");
    const int64_t said = json_is_integer(life) ? json_integer_value(life) : json_is_string(life) ? strtoll(json_string_value(life), NULL, 10) : 0;
    if (token.len == 0 || !eg_str_ieq(eg_json_str(v, "token_type"), EG_LIT("Bearer"))) {
        return bad(p, "brings no bearer token");
    }
    for (size_t i = 0; i < token.len; i++) { /* it becomes a header's value */
        if (token.ptr[i] <= 0x20 || token.ptr[i] >= 0x7f) {
            return bad(p, "brings no bearer token");
        }
    }
    EG_TRY(eg_buf_add(ret, token.ptr, token.len));
    *ret_life_s = said < 0 ? 0 : said > LIFE_MAX_S ? LIFE_MAX_S : said;
    return EG_OK;
}
