/* What an account and its Blob service say about themselves. */
#include "blob.h"

#define BODY_MAX ((size_t)8192)
#define DAY_NS ((int64_t)86400 * 1000000000)

/* Get Account Information, which the SDKs ask of the account, a container or a blob. */
eg_err eg_blob_account_information(eg_request *rq) {
    eg_target d;
    EG_TRY(eg_target_open_account(rq, &d));
    EG_TRY(eg_response_header(rq, "x-ms-sku-name", "Standard_LRS"));
    EG_TRY(eg_response_header(rq, "x-ms-account-kind", "StorageV2"));
    EG_TRY(eg_response_header(rq, "x-ms-is-hns-enabled", "true"));
    return eg_respond_empty(rq, 200);
}

/* There is no second place that could lag behind: it is in step, as of now. */
eg_err eg_blob_service_stats(eg_request *rq) {
    eg_target d;
    char now[EG_HTTP_DATE_LEN];
    eg_buf b;
    EG_TRY(eg_target_open_account(rq, &d));
    eg_time_http_date(eg_wall_ns(d.store->clock), now);
    eg_buf_init(&b, BODY_MAX);
    (void)eg_buf_addf(&b, "<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceStats><GeoReplication><Status>live</Status><LastSyncTime>%s</LastSyncTime>"
        "</GeoReplication></StorageServiceStats>", now);
    return eg_respond_owned(rq, 200, "application/xml", &b);
}

static void add_metrics(eg_buf *b, const char *element) {
    (void)eg_buf_addf(b, "<%s><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></%s>", element, element);
}

/* What is fixed here (no logging, metrics, CORS or static website), and how long what was deleted is kept. */
eg_err eg_blob_service_properties(eg_request *rq) {
    eg_target d;
    eg_buf b;
    EG_TRY(eg_target_open_account(rq, &d));
    const int64_t days = (d.account->retention_ns + DAY_NS - 1) / DAY_NS;
    eg_buf_init(&b, BODY_MAX);
    (void)eg_buf_adds(&b, "<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties><Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read>"
        "<Write>false</Write><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>");
    add_metrics(&b, "HourMetrics");
    add_metrics(&b, "MinuteMetrics");
    (void)eg_buf_adds(&b, "<Cors />");
    if (days > 0) {
        (void)eg_buf_addf(&b, "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>%lld</Days></DeleteRetentionPolicy>", (long long)days);
    } else {
        (void)eg_buf_adds(&b, "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>");
    }
    (void)eg_buf_adds(&b, "<StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>");
    return eg_respond_owned(rq, 200, "application/xml", &b);
}

eg_err eg_blob_service_properties_set(eg_request *rq) {
    return eg_target_not_built(rq, "Setting the service's properties, which are in the server's configuration,");
}
