/* Pages of groups and access tokens: read when they have the documented shape, else refused. */
#include "token_maker.h"

#include "identity/graph_answer.h"

#define A "33333333-3333-4333-8333-333333333333"
#define B "44444444-4444-4444-8444-444444444444"

static void pages(void **state) {
    (void)state;
    eg_principal *who = eg_principal_new();
    char next[EG_GRAPH_LINK_MAX];
    eg_problem p = {0};
    assert_int_equal(eg_graph_groups_read(EG_LIT("{\"@odata.context\":\"x\",\"value\":[\"" A "\"],\"@odata.nextLink\":\"https://g/next?$skiptoken=1\"}"), 4, who, next, &p), EG_OK);
    assert_string_equal(next, "https://g/next?$skiptoken=1");
    /* As transitiveMemberOf has it: objects, not all of them groups. */
    assert_int_equal(eg_graph_groups_read(EG_LIT("{\"value\":[{\"@odata.type\":\"#microsoft.graph.group\",\"id\":\"44444444-4444-4444-8444-44444444444A\",\"displayName\":\"g\"},"
                                                 "{\"@odata.type\":\"#microsoft.graph.directoryRole\",\"id\":\"" B "\"}]}"), 4, who, next, &p), EG_OK);
    assert_string_equal(next, "");
    assert_int_equal(who->group_count, 2);
    assert_string_equal(who->groups[0], A);
    assert_string_equal(who->groups[1], "44444444-4444-4444-8444-44444444444a");
    assert_int_equal(eg_graph_groups_read(EG_LIT("{\"value\":[]}"), 4, who, next, &p), EG_OK);
    assert_int_equal(eg_graph_groups_read(EG_LIT("{\"value\":[\"" A "\",\"" A "\",\"" A "\"]}"), 4, who, next, &p), EG_ERR_LIMIT);
    assert_int_equal(eg_graph_groups_read(EG_LIT("{\"value\":[\"" A "\",\"" A "\"]}"), 4, who, next, &p), EG_OK);
    assert_int_equal(who->group_count, 4);
    eg_principal_unref(who);
}

static void refusals(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "", "[]", "{}", "{\"value\":{}}", "{\"value\":null}", "{\"value\":[7]}", "{\"value\":[\"admins\"]}", "{\"value\":[null]}", "{\"value\":[{\"id\":7}]}", "{\"value\":[{}]}",
        "{\"value\":[],\"@odata.nextLink\":7}", "{\"value\":[],\"@odata.nextLink\":\"\"}", "{\"value\":[],\"value\":[\"" A "\"]}", "{\"value\":[]} x",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        eg_principal *who = eg_principal_new();
        char next[EG_GRAPH_LINK_MAX];
        eg_problem p = {0};
        if (eg_graph_groups_read(eg_str_of(wrong[i]), 100, who, next, &p) != EG_ERR_INVALID) {
            fail_msg("taken: %s", wrong[i]);
        }
        assert_int_equal(who->group_count, 0);
        eg_principal_unref(who);
    }
    eg_buf far;
    eg_buf_init(&far, 8192);
    eg_buf_adds(&far, "{\"value\":[],\"@odata.nextLink\":\"https://g/");
    for (int i = 0; i < EG_GRAPH_LINK_MAX; i++) {
        eg_buf_adds(&far, "x");
    }
    eg_buf_adds(&far, "\"}");
    eg_principal *who = eg_principal_new();
    char next[EG_GRAPH_LINK_MAX];
    eg_problem p = {0};
    assert_int_equal(eg_graph_groups_read(eg_buf_str(&far), 100, who, next, &p), EG_ERR_INVALID);
    eg_principal_unref(who);
    eg_buf_done(&far);
}

static void tokens(void **state) {
    (void)state;
    static const struct { const char *text; int64_t life; } good[] = {
        {"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a.b-c\"}", 3599}, {"{\"token_type\":\"bearer\",\"expires_in\":\"60\",\"access_token\":\"a.b-c\"}", 60},
        {"{\"token_type\":\"Bearer\",\"access_token\":\"a.b-c\"}", 0}, {"{\"token_type\":\"Bearer\",\"expires_in\":-5,\"access_token\":\"a.b-c\"}", 0},
        {"{\"token_type\":\"Bearer\",\"expires_in\":999999999,\"access_token\":\"a.b-c\"}", 86400}};
    static const char *const wrong[] = {"", "[]", "{}", "{\"token_type\":\"Bearer\"}", "{\"token_type\":\"mac\",\"access_token\":\"a\"}", "{\"access_token\":\"a\"}",
        "{\"token_type\":\"Bearer\",\"access_token\":\"a b\"}", "{\"token_type\":\"Bearer\",\"access_token\":\"a\\r\\nX: y\"}", "{\"token_type\":\"Bearer\",\"access_token\":7}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        eg_buf token;
        int64_t life = -1;
        eg_problem p = {0};
        eg_buf_init(&token, 64);
        assert_int_equal(eg_graph_token_read(eg_str_of(good[i].text), &token, &life, &p), EG_OK);
        assert_int_equal(life, good[i].life);
        assert_true(eg_str_is(eg_buf_str(&token), "a.b-c"));
        eg_buf_done(&token);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        eg_buf token;
        int64_t life = -1;
        eg_problem p = {0};
        eg_buf_init(&token, 64);
        assert_int_equal(eg_graph_token_read(eg_str_of(wrong[i]), &token, &life, &p), EG_ERR_INVALID);
        assert_int_equal(token.len, 0);
        eg_buf_done(&token);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages), cmocka_unit_test(refusals), cmocka_unit_test(tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
