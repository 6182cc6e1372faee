/* `embergate audit show`: tells from the audit log of the tenant what became of a job, and what somebody did or did for others. */
#include "audit_story.h"
#include "cli.h"

#include <embergate/encoding.h>
#include <getopt.h>

#define STORY_MAX ((size_t)64 << 20)
#define PAGES_MAX 200 /* of 1,000 records */

/* What is asked for; NULL = anything. */
typedef struct question {
    const char *job, *actor, *acted_by, *since;
} question;

static eg_err add(eg_buf *path, const char *name, const char *value) {
    if (value) {
        eg_buf_addf(path, "&%s=", name);
        EG_TRY(eg_percent_encode(eg_str_of(value), false, path));
    }
    return path->err;
}

/* "3" is a batch of the profile's cluster, "etl/3" of the cluster "etl". */
static eg_err add_job(eg_buf *path, const eg_profile *profile, const char *job) {
    char whole[256];
    if (!job || strchr(job, '/')) {
        return add(path, "job", job);
    }
    const int n = snprintf(whole, sizeof whole, "%s/%s", profile->cluster, job);
    return n > 0 && (size_t)n < sizeof whole ? add(path, "job", whole) : EG_ERR_LIMIT;
}

static eg_err base_path(const question *q, eg_buf *ret, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile = {0};
    EG_TRY(eg_profile_load(eg_cli_profile_path(), &profile, p));
    eg_buf_addf(ret, "/audit/%s/records?limit=1000", profile.tenant);
    eg_err e = add_job(ret, &profile, q->job);
    e = e ? e : add(ret, "actor", q->actor);
    e = e ? e : add(ret, "acted_by", q->acted_by);
    e = e ? e : add(ret, "from", q->since);
    return e ? eg_fail(p, e, "What is asked for is too long.") : EG_OK;
}

static eg_err collect(const question *q, json_t *all, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf path;
    eg_buf_init(&path, 4096);
    EG_TRY(base_path(q, &path, p));
    size_t base = path.len;
    for (int page = 0; page < PAGES_MAX; page++) {
        EG_JSON_AUTO v = NULL;
        EG_TRY(eg_cli_get_json(path.ptr, &v, p));
        json_t *records = json_object_get(v, "records");
        if (!json_is_array(records) || json_array_extend(all, records) != 0) {
            return eg_fail(p, EG_ERR_CORRUPT, "The gateway's answer holds no audit records.");
        }
        eg_str next = eg_json_str(v, "next");
        if (!next.len) {
            return EG_OK;
        }
        path.len = base;
        eg_buf_adds(&path, "&after=");
        EG_TRY(eg_percent_encode(next, false, &path));
    }
    return eg_fail(p, EG_ERR_LIMIT, "There are more than %d records; --since leaves out the older ones.", PAGES_MAX * 1000);
}

static eg_err show(const question *q, bool json, eg_problem *p) {
    EG_JSON_AUTO all = json_array();
    EG_TRY(collect(q, all, p));
    if (json) {
        eg_cli_print_json(all);
        return EG_OK;
    }
    if (json_array_size(all) == 0) {
        return q->job ? eg_fail(p, EG_ERR_NOT_FOUND, "The audit log has no record of the job \"%s\".", q->job)
                      : eg_fail(p, EG_ERR_NOT_FOUND, "The audit log has no such record.");
    }
    EG_CLEANUP(eg_buf_done) eg_buf story;
    eg_buf_init(&story, STORY_MAX);
    eg_err e = eg_audit_story(all, &story);
    if (e != EG_OK) {
        return eg_fail(p, e, "The story is too long to tell; use --json, or --since.");
    }
    fwrite(story.ptr, 1, story.len, stdout);
    return EG_OK;
}

int eg_cli_audit_show(int argc, char **argv) {
    static const struct option longs[] = {{"job", required_argument, NULL, 'j'},   {"actor", required_argument, NULL, 'a'},   {"acted-by", required_argument, NULL, 'b'},
                                          {"since", required_argument, NULL, 's'}, {"profile", required_argument, NULL, 'P'}, {"json", no_argument, NULL, 'J'},
                                          {NULL, 0, NULL, 0}};
    question q = {NULL, NULL, NULL, NULL};
    bool json = false;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'j': q.job = optarg; break;
        case 'a': q.actor = optarg; break;
        case 'b': q.acted_by = optarg; break;
        case 's': q.since = optarg; break;
        case 'P': eg_cli_use_profile(optarg); break;
        case 'J': json = true; break;
        default: return eg_cli_usage("audit", "an option is unknown or lacks its value");
        }
    }
    if (!((q.job && *q.job) || (q.actor && *q.actor) || (q.acted_by && *q.acted_by)) || optind != argc) {
        return eg_cli_usage("audit", "which job, or who? Use --job ID, --job CLUSTER/ID, --actor or --acted-by OBJECT-ID.");
    }
    eg_problem p = {0};
    return show(&q, json, &p) == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
}
