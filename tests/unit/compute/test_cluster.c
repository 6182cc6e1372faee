/* Clusters: started when held, kept up, found again by a second gateway, stopped when idle. The master and the worker are small Python programs
 * behind the made-up bin/spark-class: the master checks the properties and the token that it is given and counts the workers connected to it. covers: cluster_dirs.c cluster_keeper.c cluster_probe.c cluster_record.c cluster_runners.c */
#include "launcher_fixture.h"

#include "cluster.h"
#include "cluster_probe.h"

#define TENANT "11111111-1111-4111-8111-111111111111"

static const char spark_class[] =
    "#!/usr/bin/python3\n"
    "import sys, socket, threading, hmac, hashlib, base64, json, time\n"
    "opt = dict(zip(sys.argv[2::2], sys.argv[3::2]))\n"
    "props = dict(l.rstrip('\\n').split('=', 1) for l in open(opt['--properties-file']))\n"
    "unb = lambda s: base64.urlsafe_b64decode(s + '=' * (-len(s) % 4))\n"
    "assert props['spark.authenticate'] == 'true' and len(props['spark.authenticate.secret']) == 64\n"
    "def listen(port):\n"
    "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', int(port))); s.listen(64); return s\n"
    "if sys.argv[1].endswith('Worker'):\n"
    "    c = socket.create_connection(('127.0.0.1', int(sys.argv[-1].rsplit(':', 1)[1]))); c.sendall(b'worker'); c.recv(1); sys.exit(1)\n"
    "print('master says hello', flush=True)\n"
    "workers = []\n"
    "def one(c):\n"
    "    if c.recv(6) == b'worker':\n"
    "        workers.append(c); c.recv(1); workers.remove(c)\n"
    "def rpc(s):\n"
    "    while True: threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()\n"
    "ui = listen(opt['--webui-port'])\n"
    "threading.Thread(target=rpc, args=(listen(opt['--port']),), daemon=True).start()\n"
    "key = unb(props['spark.org.apache.spark.ui.JWSFilter.param.secretKey'])\n"
    "while True:\n"
    "    c = ui.accept()[0]; q = c.recv(65536).decode()\n"
    "    token = q.split('Bearer ')[1].split()[0]; signed, mac = token.rsplit('.', 1)\n"
    "    ok = hmac.compare_digest(hmac.new(key, signed.encode(), hashlib.sha256).digest(), unb(mac))\n"
    "    ok = ok and json.loads(unb(signed.split('.')[1]))['exp'] > time.time()\n"
    "    body = json.dumps({'workers': [{'state': 'ALIVE'} for w in workers] + [{'state': 'DEAD'}]})\n"
    "    c.sendall(('HTTP/1.1 %s\\r\\n\\r\\n%s' % ('200 OK' if ok else '403 Forbidden', body if ok else '')).encode()); c.close()\n";

typedef struct scene {
    fixture *f;
    eg_kv *kv;
    eg_committer *committer;
    eg_keys *keys;
    eg_compute_options o;
    eg_clusters *cs;
} scene;

static void open_clusters(scene *s) {
    eg_problem p = {0};
    assert_int_equal(eg_clusters_open(&s->o, s->f->client, &s->cs, &p), EG_OK);
}

static int setup(void **state) {
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_int_equal(fixture_setup((void **)&s->f), 0);
    char path[256], keeper[256], kv[256];
    snprintf(path, sizeof path, "%s/bin/spark-class", s->f->spark);
    fixture_write(path, spark_class, 0755);
    snprintf(keeper, sizeof keeper, "%s/keeper", s->f->dir);
    snprintf(kv, sizeof kv, "%s/kv", s->f->dir);
    s->f->cluster.tenant = TENANT;
    eg_problem p = {0};
    eg_kv_options ko = {.dir = kv, .no_sync = true};
    assert_int_equal(eg_kv_open(&ko, &s->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
    eg_buf recovery;
    eg_buf_init(&recovery, 4096);
    assert_int_equal(eg_keeper_init(keeper, &recovery, &p), EG_OK);
    eg_buf_done(&recovery);
    assert_int_equal(eg_keeper_add_tenant(keeper, EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_keeper_open_local(keeper, &s->keys, &p), EG_OK);
    s->o = (eg_compute_options){.clusters_dir = s->f->clusters, .launcher_socket = s->f->socket, .public_url = "https://gw.example:8443",
                                .clusters = &s->f->cluster, .cluster_count = 1, .kv = s->kv, .committer = s->committer, .keys = s->keys,
                                .clock = &eg_clock_system};
    open_clusters(s);
    *state = s;
    return 0;
}

static bool reaches(scene *s, eg_cluster_state want) {
    for (int i = 0; i < 2000; i++) {
        if (eg_clusters_state(s->cs, EG_LIT("spark"), NULL) == want) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

static bool has_workers(scene *s, int want) {
    for (int i = 0; i < 2000; i++) {
        EG_JSON_AUTO h = eg_clusters_health(s->cs);
        if (json_integer_value(json_object_get(json_array_get(h, 0), "workers")) == want) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

/* By idling: also the test that an idle cluster stops and leaves nothing. */
static void stop_cluster(scene *s) {
    eg_clusters_close(s->cs);
    s->f->cluster.idle_stop_s = 1;
    open_clusters(s);
    assert_true(reaches(s, EG_CLUSTER_RUNNING));
    assert_true(reaches(s, EG_CLUSTER_STOPPED));
    char path[256];
    snprintf(path, sizeof path, "%s/spark/run", s->f->clusters);
    DIR *d = opendir(path);
    assert_non_null(d);
    const struct dirent *e;
    int left = 0;
    while ((e = readdir(d))) {
        left += e->d_name[0] != '.';
    }
    closedir(d);
    assert_int_equal(left, 0);
}

static int teardown(void **state) {
    scene *s = *state;
    eg_clusters_close(s->cs);
    eg_committer_stop(s->committer);
    eg_kv_close(s->kv);
    eg_keeper_local_free(s->keys);
    assert_int_equal(fixture_teardown((void **)&s->f), 0);
    free(s);
    return 0;
}

static eg_runner_status look(scene *s, eg_runner_kind kind, const char *id) {
    eg_runner_ref ref = {.clusters_dir = s->f->clusters, .cluster = "spark", .kind = kind, .id = id};
    eg_runner_status st;
    assert_int_equal(eg_runner_look(&ref, &st, NULL), EG_OK);
    return st;
}

static eg_err conf(scene *s, uint64_t *ret_generation) {
    eg_spark_batch b = {.cluster = "spark", .id = "1", .job_client_id = EG_LIT("spark/1")};
    eg_buf text;
    eg_problem p = {0};
    eg_buf_init(&text, EG_SPARK_CONF_MAX);
    eg_err e = eg_clusters_batch_conf(s->cs, &b, &text, ret_generation, &p);
    eg_buf_done(&text);
    return e;
}

static void test_life(void **state) {
    scene *s = *state;
    usleep(300000);
    assert_int_equal(eg_clusters_state(s->cs, EG_LIT("spark"), NULL), EG_CLUSTER_STOPPED);
    uint64_t generation = 0;
    assert_int_equal(conf(s, &generation), EG_ERR_CLUSTER_DOWN);
    assert_int_equal(eg_clusters_hold(s->cs, EG_LIT("none")), EG_ERR_CLUSTER_NOT_FOUND);
    assert_int_equal(eg_clusters_hold(s->cs, EG_LIT("spark")), EG_OK);
    assert_true(reaches(s, EG_CLUSTER_RUNNING));
    assert_true(has_workers(s, 2));
    assert_int_equal(conf(s, &generation), EG_OK);
    assert_int_equal(generation, 1);

    /* A gateway that comes after finds it, and starts nothing twice. */
    int64_t pid = look(s, EG_RUNNER_MASTER, "1").pid;
    eg_clusters_close(s->cs);
    open_clusters(s);
    assert_true(reaches(s, EG_CLUSTER_RUNNING));
    assert_int_equal(look(s, EG_RUNNER_MASTER, "1").pid, pid);
    assert_int_equal(look(s, EG_RUNNER_MASTER, "2").state, EG_RUNNER_ABSENT);
    assert_int_equal(look(s, EG_RUNNER_WORKER, "1-2").state, EG_RUNNER_ABSENT);

    /* A worker that is killed is replaced, under a new id. */
    kill((pid_t)look(s, EG_RUNNER_WORKER, "1-0").pid, SIGKILL);
    for (int i = 0; i < 1000 && look(s, EG_RUNNER_WORKER, "1-2").state != EG_RUNNER_RUNNING; i++) {
        usleep(10000);
    }
    assert_int_equal(look(s, EG_RUNNER_WORKER, "1-2").state, EG_RUNNER_RUNNING);

    /* So is a master, after a moment, with all that belongs to it. */
    assert_int_equal(eg_clusters_hold(s->cs, EG_LIT("spark")), EG_OK);
    kill((pid_t)pid, SIGKILL);
    assert_true(reaches(s, EG_CLUSTER_BACKOFF));
    eg_problem p = {0};
    eg_clusters_state(s->cs, EG_LIT("spark"), &p);
    assert_int_equal(p.code, EG_ERR_CLUSTER_DOWN);
    assert_non_null(strstr(p.hint, "master says hello"));
    assert_true(reaches(s, EG_CLUSTER_RUNNING));
    assert_int_equal(look(s, EG_RUNNER_MASTER, "2").state, EG_RUNNER_RUNNING);
    assert_int_equal(look(s, EG_RUNNER_MASTER, "1").state, EG_RUNNER_ABSENT);
    assert_int_equal(conf(s, &generation), EG_OK);
    assert_int_equal(generation, 2);
    stop_cluster(s);
}

static void test_cannot_start(void **state) {
    scene *s = *state;
    char path[256];
    snprintf(path, sizeof path, "%s/bin/spark-class", s->f->spark);
    fixture_write(path, "#!/bin/sh\necho no java here >&2\nexit 1\n", 0755);
    assert_int_equal(eg_clusters_hold(s->cs, EG_LIT("spark")), EG_OK);
    assert_true(reaches(s, EG_CLUSTER_BACKOFF));
    eg_problem p = {0};
    eg_clusters_state(s->cs, EG_LIT("spark"), &p);
    assert_int_equal(p.code, EG_ERR_CLUSTER_DOWN);
    eg_clusters_release(s->cs, EG_LIT("spark"));
    assert_true(reaches(s, EG_CLUSTER_STOPPED));
}

static void test_keeper_away(void **state) {
    scene *s = *state;
    eg_clusters_close(s->cs);
    s->f->cluster.tenant = "22222222-2222-4222-8222-222222222222"; /* of which the keeper has no key */
    open_clusters(s);
    assert_int_equal(eg_clusters_hold(s->cs, EG_LIT("spark")), EG_OK);
    eg_problem p = {0};
    for (int i = 0; i < 1000 && p.code == EG_OK; i++) {
        usleep(10000);
        assert_int_equal(eg_clusters_state(s->cs, EG_LIT("spark"), &p), EG_CLUSTER_STOPPED);
    }
    assert_int_not_equal(p.code, EG_OK);
    uint64_t generation = 0;
    assert_int_equal(conf(s, &generation), EG_ERR_CLUSTER_DOWN);
}

static void test_isolation_is_told(void **state) {
    scene *s = *state;
    EG_JSON_AUTO missing = eg_clusters_isolation_missing(s->cs);
    bool user = false;
    for (size_t i = 0; i < json_array_size(missing); i++) {
        user = user || strstr(json_string_value(json_array_get(missing, i)), "no UNIX user of its own");
    }
    assert_int_equal(user, geteuid() != 0);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_life), T(test_cannot_start), T(test_keeper_away), T(test_isolation_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
