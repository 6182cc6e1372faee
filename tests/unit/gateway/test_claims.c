/* The table of claim checks, a row of input for each way that a claim can be wrong. covers: claim_audience.c claim_groups.c claim_read.c claim_times.c */
#include "token_maker.h"

#include "identity/claims.h"

#define TID "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define OID "33333333-3333-4333-8333-333333333333"
#define APP "44444444-4444-4444-8444-444444444444"
#define NOW 1800000000
#define THUMBPRINT "__________________________________________8"
#define PUBLIC "https://gw.example:8443"

static const char *const outside_audiences[] = {"api://embergate", "https://storage.azure.com", NULL};
static const eg_issuer_rules own = {.issuer = PUBLIC "/" TID "/v2.0", .tenant = TID, .own = true, .public_url = PUBLIC};
static const eg_issuer_rules entra = {.issuer = "https://login.microsoftonline.com/{tenantid}/v2.0", .tenant = TID, .audiences = outside_audiences};
static const eg_issuer_rules generic = {.issuer = "https://idp.example/realms/a", .tenant = TID, .audiences = outside_audiences};

#define OWN_BASE "\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"iat\":1799999990,\"nbf\":1799999990,\"exp\":1800003600,"
#define OWN_WHO "\"tid\":\"" TID "\",\"oid\":\"" OID "\",\"sub\":\"" OID "\",\"idtyp\":\"app\""
#define ENTRA_BASE "\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":\"api://embergate\",\"iat\":1799999990,\"exp\":1800003600,"
#define ENTRA_WHO "\"tid\":\"" TID "\",\"oid\":\"" OID "\",\"sub\":\"x\",\"azp\":\"" APP "\""
#define GENERIC_BASE "\"iss\":\"https://idp.example/realms/a\",\"aud\":\"api://embergate\",\"iat\":1799996000,\"exp\":1800003600,"

static eg_err check(const eg_issuer_rules *r, const char *json, eg_checked_claims *ret) {
    static const uint8_t digest[EG_SHA256_LEN] = {0xab};
    json_t *v = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_json_parse(eg_str_of(json), 65536, &v, &p), EG_OK);
    eg_err e = eg_claims_check(v, r, NOW, digest, ret, &p);
    json_decref(v);
    return e;
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const eg_issuer_rules *rules;
        const char *json;
        eg_err expected;
    } cases[] = {
        {&own, "{}", EG_ERR_TOKEN_ISSUER},
        {&own, "{\"iss\":\"" PUBLIC "/" OTHER "/v2.0\"}", EG_ERR_TOKEN_ISSUER},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\"}", EG_ERR_TOKEN_AUDIENCE},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":[\"https://storage.azure.com\"]}", EG_ERR_TOKEN_AUDIENCE},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com.evil.example\"}", EG_ERR_TOKEN_AUDIENCE},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\"}", EG_ERR_TOKEN_CLAIM}, /* no exp */
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":\"1800003600\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1e300}", EG_ERR_TOKEN_CLAIM},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":-1}", EG_ERR_TOKEN_CLAIM},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1799999995}", EG_ERR_TOKEN_EXPIRED},
        {&generic, "{\"iss\":\"https://idp.example/realms/a\",\"aud\":\"api://embergate\",\"exp\":1800003600,\"sub\":\"ann\"}", EG_ERR_TOKEN_CLAIM}, /* no iat */
        {&generic, "{\"iss\":\"https://idp.example/realms/a\",\"aud\":\"api://embergate\",\"iat\":1799999990,\"exp\":1800604791,\"sub\":\"ann\"}", EG_ERR_TOKEN_CLAIM}, /* 7 days and a second */
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1800003600}", EG_ERR_TOKEN_CLAIM}, /* no iat */
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1800003600,\"nbf\":1800000006}", EG_ERR_TOKEN_NOT_YET},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1800003600,\"iat\":1800000006}", EG_ERR_TOKEN_NOT_YET},
        {&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":1800003600,\"nbf\":true}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE "\"oid\":\"" OID "\",\"idtyp\":\"app\"}", EG_ERR_TOKEN_CLAIM},                          /* no tid */
        {&own, "{" OWN_BASE "\"tid\":\"me\",\"oid\":\"" OID "\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE "\"tid\":\"" OTHER "\",\"oid\":\"" OID "\"}", EG_ERR_TOKEN_ISSUER},
        {&own, "{" OWN_BASE "\"tid\":\"" TID "\",\"sub\":\"s\"}", EG_ERR_TOKEN_CLAIM},                               /* no oid */
        {&own, "{" OWN_BASE "\"tid\":\"" TID "\",\"oid\":\"" OID "\"}", EG_ERR_TOKEN_CLAIM},                       /* no idtyp */
        {&own, "{" OWN_BASE "\"tid\":\"" TID "\",\"oid\":\"" OID "\",\"idtyp\":\"robot\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"scp\":\"user_impersonation\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"eg_job\":\"c/1\"}", EG_ERR_TOKEN_CLAIM},                                       /* no cluster */
        {&own, "{" OWN_BASE OWN_WHO ",\"eg_job\":7,\"eg_cluster\":\"c\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"groups\":\"g\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"groups\":[\"admins\"]}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"groups\":[7]}", EG_ERR_TOKEN_CLAIM},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/common/v2.0\"}", EG_ERR_TOKEN_ISSUER},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0/\"}", EG_ERR_TOKEN_ISSUER},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":\"api://other\"}", EG_ERR_TOKEN_AUDIENCE},
        {&entra, "{" ENTRA_BASE "\"oid\":\"" OID "\"}", EG_ERR_TOKEN_CLAIM},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/" OTHER "/v2.0\",\"aud\":\"api://embergate\",\"iat\":1799996000,\"exp\":1800003600," ENTRA_WHO "}", EG_ERR_TOKEN_ISSUER},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/" OTHER "/v2.0\",\"aud\":\"api://embergate\",\"iat\":1799996000,\"exp\":1800003600,\"tid\":\"" OTHER "\",\"oid\":\"" OID "\"}", EG_ERR_TOKEN_ISSUER},
        {&entra, "{" ENTRA_BASE "\"tid\":\"" TID "\",\"oid\":\"upn@example.com\",\"azp\":\"x\"}", EG_ERR_TOKEN_CLAIM},
        {&entra, "{" ENTRA_BASE "\"tid\":\"" TID "\",\"oid\":\"" OID "\"}", EG_ERR_TOKEN_TYPE}, /* an ID token */
        {&entra, "{" ENTRA_BASE ENTRA_WHO ",\"at_hash\":\"x\"}", EG_ERR_TOKEN_TYPE},
        {&generic, "{" GENERIC_BASE "\"sub\":\"ann\",\"typ\":\"ID\"}", EG_ERR_TOKEN_TYPE},
        {&generic, "{" GENERIC_BASE "\"sub\":\"ann\",\"typ\":7}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":{\"jkt\":\"x\"}}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":{}}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":\"" THUMBPRINT "\"}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":null}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":{\"x5t#S256\":\"AAAA\"}}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":{\"x5t#S256\":\"" THUMBPRINT "AAAA\"}}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"cnf\":{\"x5t#S256\":\"" THUMBPRINT "\",\"jkt\":\"x\"}}", EG_ERR_TOKEN_TYPE},
        {&generic, "{" GENERIC_BASE "\"sub\":\"ann\",\"cnf\":{\"kid\":\"" THUMBPRINT "\"}}", EG_ERR_TOKEN_TYPE},
        {&own, "{" OWN_BASE OWN_WHO ",\"eg_key\":\"AAAA\"}", EG_ERR_TOKEN_CLAIM},
        {&own, "{" OWN_BASE OWN_WHO ",\"eg_key\":1}", EG_ERR_TOKEN_CLAIM},
        {&entra, "{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":\"api://embergate\",\"iat\":1799996000,\"exp\":1799999700," ENTRA_WHO "}", EG_ERR_TOKEN_EXPIRED},
        {&generic, "{" GENERIC_BASE "\"x\":1}", EG_ERR_TOKEN_CLAIM},
        {&generic, "{" GENERIC_BASE "\"sub\":\"\"}", EG_ERR_TOKEN_CLAIM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_checked_claims c = {0};
        eg_err e = check(cases[i].rules, cases[i].json, &c);
        if (e != cases[i].expected) {
            print_error("case %zu: %s\n", i, cases[i].json);
        }
        assert_int_equal(e, cases[i].expected);
        assert_null(c.principal);
    }
}

#define ACT "{\"sub\":\"" APP "\",\"client_id\":\"" OTHER "\",\"eg_since\":1799999980,\"eg_exchanged\":\"t0\"}"
#define OWN_PERSON "\"tid\":\"" TID "\",\"oid\":\"" OID "\",\"sub\":\"x\",\"idtyp\":\"user\""

/* Who acts for the principal; whose audience a token has. */
static void acting_for_others(void **state) {
    (void)state;
    eg_checked_claims c = {0};
    static const char *const wrong[] = {
        "{" OWN_BASE OWN_PERSON ",\"act\":" ACT "}",                                            /* when the subject's token was issued is missing */
        "{" OWN_BASE OWN_PERSON ",\"eg_subject_iat\":\"x\",\"act\":" ACT "}",
        "{" OWN_BASE OWN_PERSON ",\"eg_subject_iat\":1799999000,\"act\":{\"sub\":\"ann\"}}",
        "{" OWN_BASE OWN_PERSON ",\"eg_subject_iat\":1799999000,\"act\":null}",
        "{" OWN_BASE OWN_WHO ",\"eg_subject_iat\":1799999000,\"act\":" ACT "}",               /* an application's */
        "{" OWN_BASE OWN_PERSON ",\"eg_job\":\"c/7\",\"eg_cluster\":\"c\",\"eg_subject_iat\":1799999000,\"act\":" ACT "}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(check(&own, wrong[i], &c), EG_ERR_TOKEN_CLAIM);
    }
    assert_int_equal(check(&own, "{" OWN_BASE OWN_PERSON ",\"eg_subject_iat\":1799999000,\"act\":" ACT "}", &c), EG_OK);
    assert_int_equal(c.principal->acting->count, 1);
    assert_string_equal(c.principal->acting->actors[0].object_id, APP);
    assert_int_equal(c.principal->issued_s, 1799999000); /* revocations of the principal count from there */
    assert_int_equal(c.issued_s, 1799999000);
    assert_false(c.principal->acted_elsewhere);
    eg_principal_unref(c.principal);
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"scp\":\"s\",\"act\":" ACT "}", &c), EG_OK); /* what others say of actors makes none */
    assert_null(c.principal->acting);
    assert_true(c.principal->acted_elsewhere);
    eg_principal_unref(c.principal);
}

static void audiences_of_clients(void **state) {
    (void)state;
    static const char *const mapped[] = {"api://middle=" APP, "api://other=" OTHER, NULL};
    static const eg_outside_issuer outside = {.client_audiences = mapped};
    eg_issuer_rules rules = entra;
    eg_checked_claims c = {0};
    rules.outside = &outside;
    const struct { const eg_issuer_rules *rules; const char *aud, *client; unsigned audiences; } cases[] = {
        {&rules, "\"api://middle\"", APP, EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT)},
        {&rules, "[\"api://elsewhere\",\"api://other\",\"api://middle\"]", OTHER, EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT)},
        {&rules, "[\"api://middle\",\"https://storage.azure.com\"]", APP, EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE)},
        {&rules, "\"api://embergate\"", "", EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE)},
        {&own, "\"api://" APP "\"", APP, EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[2048];
        snprintf(json, sizeof json, "{\"iss\":\"%s\",\"aud\":%s,\"iat\":1799999990,\"exp\":1800003600,%s,\"azp\":\"x\",\"scp\":\"s\"}",
                 cases[i].rules == &own ? PUBLIC "/" TID "/v2.0" : "https://login.microsoftonline.com/" TID "/v2.0", cases[i].aud, OWN_PERSON);
        assert_int_equal(check(cases[i].rules, json, &c), EG_OK);
        assert_string_equal(c.principal->for_client, cases[i].client);
        assert_int_equal(c.audiences, cases[i].audiences);
        eg_principal_unref(c.principal);
    }
    assert_int_equal(check(&rules, "{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":\"api://middle=" APP "\",\"iat\":1799999990,\"exp\":1800003600," OWN_PERSON "}", &c),
                     EG_ERR_TOKEN_AUDIENCE);
    assert_int_equal(check(&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"api://embergate\",\"iat\":1799999990,\"exp\":1800003600," OWN_PERSON "}", &c), EG_ERR_TOKEN_AUDIENCE);
}

/* Only where the endpoint of who gave the id says all that counts as a group. */
static void groups_to_be_asked_for(void **state) {
    (void)state;
    static const eg_outside_issuer plain = {.issuer = "x"}, by_id = {.claim_object_id = "employee"}, by_groups = {.claim_groups = "teams"}, by_roles = {.claim_roles = "roles"};
    const struct { const eg_outside_issuer *outside; const char *more; bool ask; } cases[] = {
        {&plain, ",\"hasgroups\":true", true}, {&plain, "", false}, {&by_id, ",\"hasgroups\":true,\"employee\":\"e\"", false}, {&by_groups, ",\"hasgroups\":true", false},
        {&by_roles, ",\"hasgroups\":true", false}, {NULL, ",\"hasgroups\":true", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_issuer_rules rules = entra;
        eg_checked_claims c = {0};
        char json[1024];
        rules.outside = cases[i].outside;
        snprintf(json, sizeof json, "{" ENTRA_BASE ENTRA_WHO ",\"scp\":\"s\"%s}", cases[i].more);
        assert_int_equal(check(&rules, json, &c), EG_OK);
        assert_true(c.ask_groups == cases[i].ask);
        eg_principal_unref(c.principal);
    }
}

static void own_tokens(void **state) {
    (void)state;
    eg_checked_claims c = {0};
    assert_int_equal(check(&own, "{" OWN_BASE OWN_WHO ",\"azp\":\"" APP "\",\"name\":\"loader\\u0007\",\"jti\":\"t1\"}", &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_SERVICE);
    assert_string_equal(c.principal->tenant, TID);
    assert_string_equal(c.principal->object_id, OID);
    assert_string_equal(c.principal->app_id, APP);
    assert_string_equal(c.principal->name, "loader?");
    assert_string_equal(c.principal->token_id, "t1");
    assert_int_equal(c.audiences, EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE));
    assert_int_equal(c.principal->expires_s, 1800003600);
    eg_principal_unref(c.principal);
    assert_int_equal(check(&own, "{" OWN_BASE OWN_WHO ",\"eg_job\":\"c/7\",\"eg_cluster\":\"c\",\"groups\":[\"" APP "\"]}", &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_JOB);
    assert_string_equal(c.principal->job, "c/7");
    assert_string_equal(c.principal->cluster, "c");
    assert_int_equal(c.principal->group_count, 1);
    assert_string_equal(c.principal->groups[0], APP);
    assert_int_equal(strncmp(c.principal->token_id, "ab00", 4), 0); /* of the digest */
    eg_principal_unref(c.principal);
}

/* RFC 8705 section 3.1: whoever's token it is. By which key it was got, only our own issuer can say. */
static void bound_to_a_certificate(void **state) {
    (void)state;
    static const char *const texts[] = {"{" OWN_BASE OWN_WHO ",\"cnf\":{\"x5t#S256\":\"" THUMBPRINT "\"},\"eg_key\":\"" THUMBPRINT "\"}",
                                        "{" GENERIC_BASE "\"sub\":\"ann\",\"cnf\":{\"x5t#S256\":\"" THUMBPRINT "\"},\"eg_key\":\"" THUMBPRINT "\"}", "{" OWN_BASE OWN_WHO "}"};
    for (int i = 0; i < 3; i++) {
        eg_checked_claims c = {0};
        uint8_t ones[EG_SHA256_LEN];
        memset(ones, 0xff, sizeof ones);
        assert_int_equal(check(i == 1 ? &generic : &own, texts[i], &c), EG_OK);
        assert_int_equal(c.principal->bound, i < 2);
        assert_int_equal(c.principal->by_key, i == 0);
        assert_int_equal(memcmp(c.principal->thumbprint, ones, sizeof ones) == 0, i < 2);
        eg_principal_unref(c.principal);
    }
}

static void a_jobs_token_is_for_storage_alone(void **state) {
    (void)state;
    eg_checked_claims c = {0};
    assert_int_equal(check(&own, "{\"iss\":\"" PUBLIC "/" TID "/v2.0\",\"aud\":\"" PUBLIC "\",\"iat\":1799999990,\"exp\":1800003600," OWN_WHO
                                 ",\"eg_job\":\"c/7\",\"eg_cluster\":\"c\"}", &c), EG_ERR_TOKEN_AUDIENCE);
    /* An outside issuer makes no jobs. */
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"scp\":\"s\",\"eg_job\":\"c/7\",\"eg_cluster\":\"c\"}", &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_USER);
    assert_string_equal(c.principal->job, "");
    eg_principal_unref(c.principal);
}

static void entra_shapes(void **state) {
    (void)state;
    eg_checked_claims c = {0};
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"scp\":\"s\",\"preferred_username\":\"ann@example.com\"}", &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_USER);
    assert_string_equal(c.principal->name, "ann@example.com");
    assert_int_equal(c.audiences, EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE) | EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY));
    assert_int_equal(c.good_until_s, 1800003600 + EG_OUTSIDE_SKEW_S);
    eg_principal_unref(c.principal);
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"roles\":[\"Admin\"],\"azpacr\":\"1\"}", &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_SERVICE);
    eg_principal_unref(c.principal);
    /* Upper case ids are the same ids; Azure's own audience opens storage alone. */
    assert_int_equal(check(&entra, "{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":[\"x\",\"https://storage.azure.com\"],\"iat\":1799996000,\"exp\":1800003600.5,"
                                   "\"tid\":\"" TID "\",\"oid\":\"ABCDEFAB-1111-4111-8111-111111111111\",\"scp\":\"s\",\"appid\":\"" APP "\"}", &c), EG_OK);
    assert_string_equal(c.principal->object_id, "abcdefab-1111-4111-8111-111111111111");
    assert_int_equal(c.audiences, EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE));
    eg_principal_unref(c.principal);
}

static void groups_that_are_elsewhere_are_unknown(void **state) {
    (void)state;
    eg_checked_claims c = {0};
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"_claim_names\":{\"groups\":\"src1\"},\"_claim_sources\":{}}", &c), EG_OK);
    assert_true(c.principal->groups_unknown);
    eg_principal_unref(c.principal);
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO ",\"hasgroups\":true}", &c), EG_OK);
    assert_true(c.principal->groups_unknown);
    eg_principal_unref(c.principal);
    assert_int_equal(check(&entra, "{" ENTRA_BASE ENTRA_WHO "}", &c), EG_OK);
    assert_false(c.principal->groups_unknown);
    eg_principal_unref(c.principal);
    eg_buf many;
    eg_buf_init(&many, 65536);
    eg_buf_adds(&many, "{" ENTRA_BASE ENTRA_WHO ",\"groups\":[\"" APP "\"");
    for (int i = 0; i < 200; i++) {
        eg_buf_adds(&many, ",\"" APP "\"");
    }
    eg_buf_adds(&many, "]}");
    assert_int_equal(check(&entra, many.ptr, &c), EG_OK);
    assert_true(c.principal->groups_unknown);
    assert_int_equal(c.principal->group_count, 0);
    eg_principal_unref(c.principal);
    eg_buf_done(&many);
}

static void ids_are_derived_for_other_issuers(void **state) {
    (void)state;
    eg_checked_claims a = {0};
    eg_checked_claims b = {0};
    char expected[EG_UUID_LEN];
    /* `oid` without Entra's `tid` is not believed. */
    assert_int_equal(check(&generic, "{" GENERIC_BASE "\"sub\":\"ann\",\"oid\":\"" OID "\",\"groups\":[\"/admins\"]}", &a), EG_OK);
    assert_int_equal(check(&generic, "{" GENERIC_BASE "\"sub\":\"bob\",\"azp\":\"bob\",\"typ\":\"Bearer\"}", &b), EG_OK);
    assert_true(eg_uuid_valid(eg_str_of(a.principal->object_id)));
    assert_string_not_equal(a.principal->object_id, OID);
    assert_string_not_equal(a.principal->object_id, b.principal->object_id);
    eg_claims_derived_id(EG_LIT("https://idp.example/realms/a"), "subject", EG_LIT("ann"), expected);
    assert_string_equal(a.principal->object_id, expected);
    eg_claims_derived_id(EG_LIT("https://idp.example/realms/a"), "group", EG_LIT("/admins"), expected);
    assert_string_equal(a.principal->groups[0], expected);
    assert_string_equal(a.principal->tenant, TID);
    assert_int_equal(a.principal->kind, EG_PRINCIPAL_USER);
    assert_int_equal(b.principal->kind, EG_PRINCIPAL_SERVICE);
    eg_principal_unref(a.principal);
    eg_principal_unref(b.principal);
}

static void audiences(void **state) {
    (void)state;
    static const struct {
        const char *aud;
        eg_audience expected;
    } cases[] = {
        {"https://storage.azure.com", EG_AUDIENCE_STORAGE},
        {"https://storage.azure.com/", EG_AUDIENCE_STORAGE},
        {"https://storage.azure.com//", EG_AUDIENCE_NONE},
        {"https://management.azure.com/", EG_AUDIENCE_GATEWAY},
        {"https://management.core.windows.net", EG_AUDIENCE_GATEWAY},
        {PUBLIC, EG_AUDIENCE_GATEWAY},
        {PUBLIC "/", EG_AUDIENCE_GATEWAY},
        {"https://STORAGE.azure.com", EG_AUDIENCE_NONE},
        {"", EG_AUDIENCE_NONE},
        {"/", EG_AUDIENCE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(eg_claims_audience(eg_str_of(cases[i].aud), PUBLIC), cases[i].expected);
    }
    assert_int_equal(eg_claims_audience(EG_LIT(""), ""), EG_AUDIENCE_NONE);
}

/* What the configuration wants of an issuer's tokens, and which of their claims it takes for what. */
static const char *const required[] = {"acr=high", "org.unit=7", "org.trusted=true", "amr=mfa", NULL};
static const char *const scopes[] = {"storage.use", "jobs.use", NULL};
static const char *const app_roles[] = {"Loader", NULL};
static const eg_outside_issuer demanding_issuer = {.required = required, .scopes = scopes, .app_roles = app_roles};
static const eg_issuer_rules demanding = {.issuer = "https://idp.example/realms/a", .tenant = TID, .audiences = outside_audiences, .outside = &demanding_issuer};
#define RIGHT "\"acr\":\"high\",\"org\":{\"unit\":7,\"trusted\":true},\"amr\":[\"pwd\",\"mfa\"]"

static void demands(void **state) {
    (void)state;
    static const struct {
        const char *json;
        eg_err expected;
    } cases[] = {
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\",\"scp\":\"x jobs.use\"}", EG_OK},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\",\"scope\":\"storage.use\"}", EG_OK},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\",\"scope\":[\"storage.use\"]}", EG_OK},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"cli\",\"azp\":\"cli\",\"roles\":[\"Loader\"]}", EG_OK},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\",\"scp\":\"storage.used\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"ann\",\"roles\":[\"Loader\"]}", EG_ERR_TOKEN_CLAIM},                     /* an application's, in a user's token */
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"cli\",\"azp\":\"cli\",\"scp\":\"storage.use\"}", EG_ERR_TOKEN_CLAIM}, /* and the other way round */
        {"{" GENERIC_BASE RIGHT ",\"sub\":\"cli\",\"azp\":\"cli\",\"roles\":[\"Other\"]}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE "\"acr\":\"low\",\"org\":{\"unit\":7,\"trusted\":true},\"amr\":\"mfa\",\"sub\":\"ann\",\"scp\":\"jobs.use\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE "\"acr\":\"high\",\"org\":{\"unit\":8,\"trusted\":true},\"amr\":\"mfa\",\"sub\":\"ann\",\"scp\":\"jobs.use\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE "\"acr\":\"high\",\"org\":{\"unit\":7,\"trusted\":false},\"amr\":\"mfa\",\"sub\":\"ann\",\"scp\":\"jobs.use\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE "\"acr\":\"high\",\"org\":\"unit\",\"amr\":\"mfa\",\"sub\":\"ann\",\"scp\":\"jobs.use\"}", EG_ERR_TOKEN_CLAIM},
        {"{" GENERIC_BASE "\"acr\":\"high\",\"org\":{\"unit\":7,\"trusted\":true},\"amr\":[],\"sub\":\"ann\",\"scp\":\"jobs.use\"}", EG_ERR_TOKEN_CLAIM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_checked_claims c = {0};
        eg_err e = check(&demanding, cases[i].json, &c);
        if (e != cases[i].expected) {
            print_error("case %zu: %s\n", i, cases[i].json);
        }
        assert_int_equal(e, cases[i].expected);
        eg_principal_unref(c.principal);
    }
}

static void keycloaks_service_accounts(void **state) {
    (void)state;
    static const struct {
        const char *json;
        eg_principal_kind kind;
    } cases[] = {
        {"{" GENERIC_BASE "\"sub\":\"u-1\",\"azp\":\"Loader\",\"client_id\":\"Loader\",\"preferred_username\":\"service-account-loader\"}", EG_PRINCIPAL_SERVICE},
        {"{" GENERIC_BASE "\"sub\":\"u-1\",\"azp\":\"loader\",\"preferred_username\":\"service-account-loader\"}", EG_PRINCIPAL_USER},
        {"{" GENERIC_BASE "\"sub\":\"u-1\",\"azp\":\"loader\",\"client_id\":\"loader\",\"preferred_username\":\"service-account-other\"}", EG_PRINCIPAL_USER},
        {"{" GENERIC_BASE "\"sub\":\"u-1\",\"azp\":\"loader\",\"client_id\":\"loader\",\"preferred_username\":\"ann\"}", EG_PRINCIPAL_USER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_checked_claims c = {0};
        assert_int_equal(check(&generic, cases[i].json, &c), EG_OK);
        assert_int_equal(c.principal->kind, cases[i].kind);
        eg_principal_unref(c.principal);
    }
}

static void mapping(void **state) {
    (void)state;
    static const eg_outside_issuer o = {.claim_object_id = "employee", .claim_name = "profile.display", .claim_groups = "teams", .claim_roles = "realm_access.roles",
                                        .skew_s = 10};
    static const eg_issuer_rules mapped = {.issuer = "https://idp.example/realms/a", .tenant = TID, .audiences = outside_audiences, .outside = &o};
    eg_checked_claims c = {0};
    char id[EG_UUID_LEN];
    assert_int_equal(check(&mapped, "{" GENERIC_BASE "\"sub\":\"x\",\"employee\":\"" OID "\",\"profile\":{\"display\":\"Ann\"},\"teams\":[\"data\",\"" OTHER "\"],"
                                    "\"groups\":[\"not these\"],\"realm_access\":{\"roles\":[\"data\"]}}", &c), EG_OK);
    eg_claims_derived_id(EG_LIT("https://idp.example/realms/a"), "subject", EG_LIT(OID), id);
    assert_string_equal(c.principal->object_id, id); /* never the GUID itself: it may be somebody's */
    assert_string_equal(c.principal->name, "Ann");
    assert_int_equal(c.principal->group_count, 3);
    eg_claims_derived_id(EG_LIT("https://idp.example/realms/a"), "group", EG_LIT("data"), id);
    assert_string_equal(c.principal->groups[0], id);
    assert_string_equal(c.principal->groups[1], OTHER);
    eg_claims_derived_id(EG_LIT("https://idp.example/realms/a"), "role", EG_LIT("data"), id);
    assert_string_equal(c.principal->groups[2], id);
    assert_string_not_equal(c.principal->groups[0], c.principal->groups[2]);
    assert_int_equal(c.good_until_s, 1800003610); /* the configured skew */
    eg_principal_unref(c.principal);
    c.principal = NULL;
    assert_int_equal(check(&mapped, "{" GENERIC_BASE "\"sub\":\"x\"}", &c), EG_ERR_TOKEN_CLAIM);
    assert_int_equal(check(&mapped, "{" GENERIC_BASE "\"sub\":\"x\",\"employee\":7}", &c), EG_ERR_TOKEN_CLAIM);
    assert_int_equal(check(&mapped, "{" GENERIC_BASE "\"sub\":\"x\",\"employee\":\"e\",\"teams\":\"data\"}", &c), EG_ERR_TOKEN_CLAIM);
    assert_int_equal(check(&mapped, "{" GENERIC_BASE "\"sub\":\"x\",\"employee\":\"e\",\"realm_access\":{\"roles\":{}}}", &c), EG_ERR_TOKEN_CLAIM);
    assert_null(c.principal);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(bound_to_a_certificate),
    cmocka_unit_test(refusals),
    cmocka_unit_test(acting_for_others), cmocka_unit_test(audiences_of_clients), cmocka_unit_test(groups_to_be_asked_for), cmocka_unit_test(own_tokens),
    cmocka_unit_test(a_jobs_token_is_for_storage_alone),
    cmocka_unit_test(entra_shapes),
    cmocka_unit_test(groups_that_are_elsewhere_are_unknown),
    cmocka_unit_test(ids_are_derived_for_other_issuers),
    cmocka_unit_test(audiences),
    cmocka_unit_test(demands),
    cmocka_unit_test(keycloaks_service_accounts),
    cmocka_unit_test(mapping),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
