/* Livy's API as clients see it: answers compared with a real Livy's, whose batch is whose, ids and names, deletion, recovery.
 * covers: rewrap_keys.c compute.c livy_submit.c livy_proxy_user.c watcher.c batch_settle.c batch_keys.c */
#include "livy_fixture.h"

#define GOOD "{\"file\":\"abfss://data@gw.example:8443/jobs/trivial.py\",\"args\":[\"secret-argument-4711\"],\"name\":\"%s\"}"

static json_t *golden(const char *name, int *ret_status) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.json", GOLDEN_DIR, name);
    json_t *o = json_load_file(path, 0, NULL);
    assert_non_null(o);
    const json_t *response = json_object_get(o, "response");
    json_t *body = json_incref(json_object_get(response, "json"));
    *ret_status = (int)json_integer_value(json_object_get(response, "status"));
    json_decref(o);
    return body;
}

/* The answer without our extension equals the recorded one. */
static void same(answer *a, const char *name) {
    int status = 0;
    EG_JSON_AUTO want = golden(name, &status);
    assert_int_equal(a->status, status);
    json_object_del(a->json, "embergate");
    if (!json_equal(a->json, want)) {
        char *got = json_dumps(a->json, JSON_ENCODE_ANY);
        print_error("%s: got %s\n", name, got);
        free(got);
    }
    assert_true(json_equal(a->json, want));
    json_decref(a->json);
}

static answer submit_named(livy *l, const char *name) {
    char body[256];
    snprintf(body, sizeof body, GOOD, name);
    return livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = body});
}

static void answers_are_livys(void **state) {
    livy *l = *state;
    answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches"});
    same(&a, "004-batches-empty");
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/sessions"});
    same(&a, "049-sessions-empty");
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = "{}"});
    same(&a, "007-batch-create-emptyobj");
    static const char *const unknown[] = {"/batches/{id}", "/batches/{id}/state", "/batches/{id}/log"};
    static const char *const recorded[] = {"041-batch-unknown", "042-batch-unknown-state", "043-batch-unknown-log"};
    for (size_t i = 0; i < 3; i++) {
        a = livy_ask(l, (ask){.method = "GET", .pattern = unknown[i], .id = "9999"});
        assert_int_equal(a.error, EG_ERR_BATCH_NOT_FOUND);
        same(&a, recorded[i]);
    }
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "9999"});
    same(&a, "045-batch-delete-unknown");
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = "{\"file\":\"/etc/passwd\"}"});
    assert_int_equal(a.status, 400);
    assert_int_equal(a.error, EG_ERR_FILE_REFUSED);
    int status = 0;
    EG_JSON_AUTO want = golden("012-batch-create-notwhitelisted", &status);
    /* Livy's sentence, and then what to do. */
    const char *msg = json_string_value(json_object_get(want, "msg"));
    assert_memory_equal(json_string_value(json_object_get(a.json, "msg")), msg, strlen(msg));
    json_decref(a.json);
}

static void parse_errors_are_a_bare_string(void **state) {
    livy *l = *state;
    static const struct {
        const char *body, *recorded;
        eg_err want;
    } rows[] = {
        {"{bad", "006-batch-create-badjson", EG_ERR_BODY_JSON},
        {"", "008-batch-create-nobody", EG_ERR_BODY_JSON},
        {"file=x", "014-batch-create-contenttype", EG_ERR_BODY_JSON},
        {"[1]", "011-batch-create-array", EG_ERR_BODY_FIELD},
        {"{\"file\":\"abfss://data@gw.example:8443/a.py\",\"args\":\"x\"}", "010-batch-create-wrongtype", EG_ERR_BODY_FIELD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = 0;
        EG_JSON_AUTO want = golden(rows[i].recorded, &status);
        answer a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = rows[i].body});
        assert_int_equal(a.status, status);
        assert_int_equal(a.error, rows[i].want);
        assert_true(json_is_string(want) && json_is_string(a.json));
        assert_false(a.recorded);
        json_decref(a.json);
    }
}

static void a_batch_lives_and_goes(void **state) {
    livy *l = *state;
    answer a = submit_named(l, "gold1");
    assert_int_equal(a.status, 201);
    assert_true(a.recorded);
    assert_string_equal(a.location, "/batches/0");
    assert_string_equal(a.record_job, "spark/0");
    assert_string_equal(json_string_value(json_object_get(a.json, "owner")), "anna@example.test");
    assert_string_equal(json_string_value(json_object_get(a.json, "state")), "starting");
    json_decref(a.json);
    a = submit_named(l, "gold1");
    assert_int_equal(a.status, 400);
    assert_int_equal(a.error, EG_ERR_NAME_TAKEN);
    assert_string_equal(json_string_value(json_object_get(a.json, "msg")), "Rejected, Reason: Duplicate session name: Some(gold1) for session 1");
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}", .id = "gold1"});
    assert_int_equal(json_integer_value(json_object_get(a.json, "id")), 0);
    assert_int_equal(json_array_size(json_object_get(a.json, "log")), 2);
    const char *waits = json_string_value(json_object_get(json_object_get(a.json, "embergate"), "waitingFor"));
    assert_non_null(waits);
    assert_memory_equal(waits, "the cluster, which is ", 22);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/log", .id = "0", .query = "from=50&size=10"});
    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "from")), 50);
    assert_int_equal(json_array_size(json_object_get(a.json, "log")), 0);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/log", .id = "0", .query = "from=x"});
    assert_int_equal(a.error, EG_ERR_QUERY);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/usage", .id = "0"});
    assert_int_equal(a.status, 200);
    assert_true(json_is_false(json_object_get(a.json, "final")));
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "0"});
    assert_true(a.recorded);
    same(&a, "028-batch-delete-running");
    static const char *const gone[] = {"0", "gold1"};
    for (size_t i = 0; i < 2; i++) {
        a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}", .id = gone[i]});
        assert_int_equal(a.status, 404);
        json_decref(a.json);
    }
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "0"});
    assert_int_equal(a.status, 404);
    json_decref(a.json);
    a = submit_named(l, "gold1"); /* the name is free again, the id is not */
    assert_int_equal(a.status, 201);
    assert_int_equal(json_integer_value(json_object_get(a.json, "id")), 2);
    json_decref(a.json);
}

static void lists_are_paged(void **state) {
    livy *l = *state;
    for (int i = 0; i < 5; i++) {
        answer a = submit_named(l, "");
        assert_int_equal(a.status, 201);
        assert_true(json_is_null(json_object_get(a.json, "name")));
        json_decref(a.json);
    }
    answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches", .query = "from=1&size=2"});
    assert_int_equal(json_integer_value(json_object_get(a.json, "from")), 1);
    assert_int_equal(json_integer_value(json_object_get(a.json, "total")), 5);
    json_t *list = json_object_get(a.json, "sessions");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "id")), 1);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches", .must_not_wait = true});
    assert_int_equal(a.error, EG_ERR_BUSY); /* not all keys are at hand */
    json_decref(a.json);
    for (int i = 0; i < 50 && a.error == EG_ERR_BUSY; i++) { /* on a slow machine a key is forgotten again before the second asking */
        a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches"});
        json_decref(a.json);
        a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches", .must_not_wait = true});
    }
    assert_int_equal(json_array_size(json_object_get(a.json, "sessions")), 5);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches", .query = "from=99"});
    assert_int_equal(a.status, 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "sessions")), 0);
    json_decref(a.json);
}

static void long_lists_are_not_for_the_worker(void **state) {
    livy *l = *state;
    for (int i = 0; i < 17; i++) {
        answer a = submit_named(l, "");
        assert_int_equal(a.status, 201);
        json_decref(a.json);
    }
    answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches", .query = "size=1", .must_not_wait = true});
    assert_int_equal(a.error, EG_ERR_BUSY);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches"});
    assert_int_equal(json_integer_value(json_object_get(a.json, "total")), 17);
    json_decref(a.json);
}

static void ids_are_never_used_again(void **state) {
    livy *l = *state;
    for (int i = 0; i < 3; i++) {
        answer a = submit_named(l, "");
        json_decref(a.json);
    }
    answer a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "2"});
    json_decref(a.json);
    usleep(600000); /* the watcher discards it */
    eg_compute_close(l->c);
    livy_open(l);
    a = submit_named(l, "");
    assert_int_equal(json_integer_value(json_object_get(a.json, "id")), 3);
    json_decref(a.json);
}

static void an_idempotency_key_makes_one_batch(void **state) {
    livy *l = *state;
    char body[256];
    snprintf(body, sizeof body, GOOD, "once");
    ask q = {.method = "POST", .pattern = "/batches", .body = body, .key = "k-1"};
    answer first = livy_ask(l, q), again = livy_ask(l, q);
    assert_int_equal(first.status, 201);
    assert_int_equal(again.status, 201);
    assert_string_equal(first.replayed, "");
    assert_string_equal(again.replayed, "true");
    assert_string_equal(first.location, again.location);
    assert_int_equal(json_integer_value(json_object_get(first.json, "id")), json_integer_value(json_object_get(again.json, "id")));
    assert_true(first.recorded);
    assert_false(again.recorded);
    json_decref(first.json);
    json_decref(again.json);
    /* Also after a restart. */
    eg_compute_close(l->c);
    livy_open(l);
    again = livy_ask(l, q);
    assert_string_equal(again.replayed, "true");
    json_decref(again.json);
    answer a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = "{\"file\":\"abfss://data@gw.example:8443/b.py\"}", .key = "k-1"});
    assert_int_equal(a.status, 422);
    assert_int_equal(a.error, EG_ERR_IDEMPOTENCY_MISMATCH);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = "{\"file\":\"abfss://data@gw.example:8443/b.py\"}", .key = "k-1", .who = BEN});
    assert_int_equal(a.status, 201); /* another person's key is another key */
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = body, .key = ""});
    assert_int_equal(a.error, EG_ERR_HTTP_HEADER);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches"});
    assert_int_equal(json_integer_value(json_object_get(a.json, "total")), 2);
    json_decref(a.json);
}

static void nobody_acts_for_another(void **state) {
    livy *l = *state;
#define AS(who) "{\"file\":\"abfss://data@gw.example:8443/a.py\",\"proxyUser\":\"" who "\"}"
    answer a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = AS("ben@example.test")});
    assert_int_equal(a.status, 403);
    assert_int_equal(a.error, EG_ERR_DENIED_PROXY_USER);
    assert_true(a.has_details);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .query = "doAs=ben%40example.test", .body = AS("anna@example.test")});
    assert_int_equal(a.error, EG_ERR_DENIED_PROXY_USER);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .query = "doAs=anna%40example.test", .body = AS("ben@example.test")});
    assert_int_equal(a.error, EG_ERR_DENIED_PROXY_USER); /* they disagree, and doAs beats nothing */
    assert_true(a.has_details);
    json_decref(a.json);
    /* A name that is cut for the record within a character is in it all the same. */
    char query[1024] = "doAs=x";
    for (size_t i = 0; i < 150; i++) {
        const size_t n = strlen(query);
        snprintf(query + n, sizeof query - n, "%%C3%%A9");
    }
    a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .query = query, .body = AS("anna@example.test")});
    assert_int_equal(a.error, EG_ERR_DENIED_PROXY_USER);
    assert_true(a.has_details);
    json_decref(a.json);
    static const char *const reads[] = {"/batches", "/batches/{id}", "/batches/{id}/state", "/batches/{id}/log"};
    for (size_t i = 0; i < 4; i++) {
        a = livy_ask(l, (ask){.method = "GET", .pattern = reads[i], .id = "0", .query = "doAs=ben"});
        assert_int_equal(a.error, EG_ERR_DENIED_PROXY_USER);
        json_decref(a.json);
    }
    static const char *const own[] = {AS("anna@example.test"), AS(ANNA), AS("")};
    for (size_t i = 0; i < 3; i++) {
        a = livy_ask(l, (ask){.method = "POST", .pattern = "/batches", .body = own[i]});
        assert_int_equal(a.status, 201);
        json_decref(a.json);
    }
}

static void logs_and_deletion_are_the_owners(void **state) {
    livy *l = *state;
    answer a = submit_named(l, "mine");
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}", .id = "mine", .who = BEN});
    assert_int_equal(a.status, 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "log")), 0);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/log", .id = "mine", .who = BEN});
    assert_int_equal(a.error, EG_ERR_DENIED_DATA);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "mine", .who = BEN});
    assert_int_equal(a.status, 403);
    assert_false(a.recorded);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/log", .id = "mine", .who = BEN, .may_manage = true});
    assert_int_equal(a.status, 200);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "mine", .who = BEN, .may_manage = true});
    assert_int_equal(a.status, 200);
    json_decref(a.json);
}

static bool file_holds(const char *path, const char *text) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    static char all[8 << 20];
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    return memmem(all, n, text, strlen(text)) != NULL;
}

static void what_people_wrote_is_sealed(void **state) {
    livy *l = *state;
    answer a = submit_named(l, "sealed");
    assert_int_equal(a.status, 201);
    json_decref(a.json);
    char path[256];
    snprintf(path, sizeof path, "%s/data.mdb", l->kv_dir);
    assert_true(file_holds(path, ANNA)); /* ids are not sealed: the search itself works */
    assert_false(file_holds(path, "secret-argument-4711"));
    assert_false(file_holds(path, "trivial.py"));
    assert_false(file_holds(path, "anna@example.test"));
}

static void sessions_are_not_built(void **state) {
    livy *l = *state;
    answer a = livy_ask(l, (ask){.method = "POST", .pattern = "/sessions", .body = "{\"kind\":\"pyspark\"}"});
    assert_int_equal(a.status, 501);
    assert_true(json_is_string(json_object_get(a.json, "msg")));
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/version"});
    assert_string_equal(json_string_value(json_object_get(a.json, "version")), "0.9.0-incubating");
    json_decref(a.json);
}

/* ---- recovery: runners that lived on while the gateway was away ---- */

static void wait_for(livy *l, const char *id, const char *state_name) {
    for (int i = 0; i < 400; i++) {
        answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/state", .id = id});
        const char *now = json_string_value(json_object_get(a.json, "state"));
        bool there = now && strcmp(now, state_name) == 0;
        json_decref(a.json);
        if (there) {
            return;
        }
        usleep(25000);
    }
    fail_msg("batch %s never became %s", id, state_name);
}

/* The gateway dies after it was accepted; the runner was started by "it" with the batch's own log key. */
static void run_while_away(livy *l, const char *id, const char *script) {
    eg_kv_txn *t = NULL;
    eg_batch b;
    eg_batch_init(&b);
    assert_int_equal(eg_kv_read_begin(l->kv, &t), EG_OK);
    assert_int_equal(eg_batch_store_find(t, EG_LIT("spark"), eg_str_of(id), false, &b), EG_OK);
    eg_kv_read_end(t);
    char purpose[128];
    eg_batch_purpose(&b, purpose);
    eg_secret *key = NULL;
    assert_int_equal(l->keys->unwrap(l->keys->ctx, eg_str_of(b.tenant), eg_str_of(purpose), (eg_bytes){b.wrapped, b.wrapped_len}, &key), EG_OK);
    assert_int_equal(eg_batch_log_key(key, l->f->key), EG_OK);
    eg_secret_free(key);
    eg_batch_done(&b);
    assert_int_equal(fixture_run(l->f, id, script), EG_OK);
}

static void ends_are_learned_after_a_restart(void **state) {
    livy *l = *state;
    for (int i = 0; i < 2; i++) {
        answer a = submit_named(l, "");
        json_decref(a.json);
    }
    /* The tenant's key is rotated in between: keys of batches and clusters move, and open what they opened. */
    uint32_t version = 0;
    uint64_t moved = 0;
    assert_int_equal(l->keys->rotate_key(l->keys->ctx, EG_LIT(TENANT), EG_LIT(""), &version), EG_OK);
    const eg_rewrap what = {EG_LIT(TENANT), EG_LIT(""), version};
    assert_int_equal(eg_compute_rewrap(l->c, &what, &moved), EG_OK);
    assert_true(moved >= 2);
    moved = 0;
    assert_int_equal(eg_compute_rewrap(l->c, &what, &moved), EG_OK);
    assert_int_equal(moved, 0);
    eg_compute_close(l->c);
    run_while_away(l, "0", "echo one; echo two; exit 0\n");
    run_while_away(l, "1", "echo bad >&2; exit 3\n");
    (void)fixture_wait(l->f, "0");
    (void)fixture_wait(l->f, "1");
    livy_open(l);
    wait_for(l, "0", "success");
    wait_for(l, "1", "dead");
    answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/log", .id = "0"});
    json_t *log = json_object_get(a.json, "log");
    assert_int_equal(json_integer_value(json_object_get(a.json, "total")), json_array_size(log));
    assert_string_equal(json_string_value(json_array_get(log, 0)), "stdout: ");
    assert_string_equal(json_string_value(json_array_get(log, json_array_size(log) - 1)), "\nstderr: ");
    assert_string_equal(json_string_value(json_array_get(log, 1)), "one");
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}", .id = "1"});
    assert_int_equal(json_integer_value(json_object_get(json_object_get(a.json, "embergate"), "exitCode")), 3);
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/usage", .id = "0"});
    assert_true(json_is_true(json_object_get(a.json, "final")));
    json_decref(a.json);
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "0"}); /* an ended one */
    assert_int_equal(a.status, 200);
    json_decref(a.json);
    for (int i = 0; i < 200 && fixture_look(l->f, "0").state != EG_RUNNER_ABSENT; i++) {
        usleep(25000);
    }
    assert_int_equal(fixture_look(l->f, "0").state, EG_RUNNER_ABSENT);
}

static void a_running_one_is_found_again_and_stopped_on_deletion(void **state) {
    livy *l = *state;
    answer a = submit_named(l, "long");
    json_decref(a.json);
    eg_compute_close(l->c);
    run_while_away(l, "0", "echo 'INFO Connected to Spark cluster with app ID app-20261123000102-0007'; sleep 100\n");
    livy_open(l);
    wait_for(l, "0", "running");
    eg_usage_sink sink = eg_compute_usage_sink(l->c);
    sink.moved(sink.ctx, EG_LIT("spark/0"), 1000, 70);
    sink.moved(sink.ctx, EG_LIT("spark/9"), 5, 5);
    bool named = false;
    for (int i = 0; i < 200 && !named; i++) {
        a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}", .id = "0"});
        const char *app = json_string_value(json_object_get(a.json, "appId"));
        named = app && strcmp(app, "app-20261123000102-0007") == 0;
        const json_t *usage = json_object_get(json_object_get(a.json, "embergate"), "usage");
        assert_int_equal(json_integer_value(json_object_get(usage, "bytesRead")), 1000);
        assert_int_equal(json_integer_value(json_object_get(usage, "bytesWritten")), 70);
        json_decref(a.json);
        usleep(25000);
    }
    assert_true(named);
    assert_false(eg_compute_job_running(l->c, EG_LIT("spark/0"))); /* it never got a credential from us */
    a = livy_ask(l, (ask){.method = "DELETE", .pattern = "/batches/{id}", .id = "long"});
    assert_int_equal(a.status, 200);
    json_decref(a.json);
    for (int i = 0; i < 800 && fixture_look(l->f, "0").state != EG_RUNNER_ABSENT; i++) {
        usleep(25000);
    }
    assert_int_equal(fixture_look(l->f, "0").state, EG_RUNNER_ABSENT);
    /* What it used is kept. */
    eg_kv_txn *t = NULL;
    eg_bytes row;
    assert_int_equal(eg_kv_read_begin(l->kv, &t), EG_OK);
    static const uint8_t key[] = {'s', 'p', 'a', 'r', 'k', 0, 0, 0, 0, 0};
    assert_int_equal(eg_kv_get(t, EG_DB_USAGE, (eg_bytes){key, sizeof key}, &row), EG_OK);
    assert_non_null(memmem(row.ptr, row.len, "\"bytesRead\":1000", 16));
    /* The made-up Spark has no master that lives: where the keeper's second try comes before the deletion, the job has lost its own. */
    assert_true(memmem(row.ptr, row.len, "\"state\":\"killed\"", 16) || memmem(row.ptr, row.len, "\"state\":\"dead\"", 14));
    eg_kv_read_end(t);
}

static void unknown_credentials_are_nobody(void **state) {
    livy *l = *state;
    eg_job_identity id;
    assert_int_equal(eg_compute_job_by_credential(l->c, eg_str_bytes(EG_LIT("guess")), &id), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(eg_compute_job_by_credential(l->c, (eg_bytes){NULL, 0}, &id), EG_ERR_OAUTH_CLIENT);
    assert_false(eg_compute_job_running(l->c, EG_LIT("spark/0")));
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, livy_setup, livy_teardown)
    const struct CMUnitTest tests[] = {
        T(answers_are_livys), T(parse_errors_are_a_bare_string), T(a_batch_lives_and_goes), T(lists_are_paged), T(long_lists_are_not_for_the_worker), T(ids_are_never_used_again),
        T(an_idempotency_key_makes_one_batch), T(nobody_acts_for_another), T(logs_and_deletion_are_the_owners), T(what_people_wrote_is_sealed),
        T(sessions_are_not_built), T(ends_are_learned_after_a_restart), T(a_running_one_is_found_again_and_stopped_on_deletion), T(unknown_credentials_are_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
