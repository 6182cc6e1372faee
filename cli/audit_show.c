/* `embergate audit show`: tells a job's story from the audit log of the tenant. */
#include "audit_story.h"
#include "cli.h"

#include <embergate/encoding.h>
#include <getopt.h>

#define STORY_MAX ((size_t)64 << 20)
#define PAGES_MAX 200 /* of 1,000 records */

/* "3" is a batch of the profile's cluster, "etl/3" of the cluster "etl". */
static eg_err base_path(const char *job, eg_buf *ret, eg_problem *p)
{
    EG_CLEANUP(eg_profile_done) eg_profile profile = {0};
    EG_TRY(eg_profile_load(eg_cli_profile_path(), &profile, p));
    eg_buf_addf(ret, "/audit/%s/records?limit=1000&job=", profile.tenant);
    if (!strchr(job, '/')) {
        EG_TRY(eg_percent_encode(eg_str_of(profile.cluster), false, ret));
        eg_buf_adds(ret, "%2F");
    }
    EG_TRY(eg_percent_encode(eg_str_of(job), false, ret));
    return ret->err;
}

static eg_err collect(const char *job, json_t *all, eg_problem *p)
{
    EG_CLEANUP(eg_buf_done) eg_buf path;
    eg_buf_init(&path, 4096);
    EG_TRY(base_path(job, &path, p));
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
    return eg_fail(p, EG_ERR_LIMIT, "The job has more than %d records.", PAGES_MAX * 1000);
}

static eg_err show(const char *job, bool json, eg_problem *p)
{
    EG_JSON_AUTO all = json_array();
    EG_TRY(collect(job, all, p));
    if (json) {
        eg_cli_print_json(all);
        return EG_OK;
    }
    if (json_array_size(all) == 0) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "The audit log has no record of the job \"%s\".", job);
    }
    EG_CLEANUP(eg_buf_done) eg_buf story;
    eg_buf_init(&story, STORY_MAX);
    eg_err e = eg_audit_story(all, &story);
    if (e != EG_OK) {
        return eg_fail(p, e, "The job's story is too long to tell; use --json.");
    }
    fwrite(story.ptr, 1, story.len, stdout);
    return EG_OK;
}

int eg_cli_audit_show(int argc, char **argv)
{
    static const struct option longs[] = {{"job", required_argument, NULL, 'j'}, {"profile", required_argument, NULL, 'P'}, {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    const char *job = NULL;
    bool json = false;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'j': job = optarg; break;
        case 'P': eg_cli_use_profile(optarg); break;
        case 'J': json = true; break;
        default: return eg_cli_usage("audit", "an option is unknown or lacks its value");
        }
    }
    if (!job || !*job || optind != argc) {
        return eg_cli_usage("audit", "which job? Use --job ID or --job CLUSTER/ID.");
    }
    eg_problem p = {0};
    return show(job, json, &p) == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
}
