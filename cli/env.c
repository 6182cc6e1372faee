/* `embergate env` and `embergate token`: what other tools need to speak to the gateway. */
#include "cli.h"

#include <embergate/secret.h>
#include <getopt.h>

static const struct option profile_option[] = {{"profile", required_argument, NULL, 'P'}, {"audience", required_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};

static bool take_profile(int argc, char **argv, const char **ret_audience) {
    for (int c; (c = getopt_long(argc, argv, "", profile_option, NULL)) != -1;) {
        if (c == 'P') {
            eg_cli_use_profile(optarg);
        } else if (c == 'a') {
            *ret_audience = optarg;
        } else {
            return false;
        }
    }
    return optind == argc;
}

/* One word for a POSIX shell. */
static void export_variable(const char *name, const char *value) {
    printf("export %s='", name);
    for (const char *c = value; *c; c++) {
        fputs(*c == '\'' ? "'\\''" : (char[]){*c, '\0'}, stdout);
    }
    puts("'");
}

int eg_cli_env(int argc, char **argv) {
    const char *audience = NULL;
    if (!take_profile(argc, argv, &audience) || audience) {
        return eg_cli_usage("env", "an option or argument is unknown");
    }
    eg_problem p = {0};
    eg_profile profile;
    if (eg_profile_load(eg_cli_profile_path(), &profile, &p) != EG_OK) {
        return eg_cli_complain(&p);
    }
    char java[700];
    export_variable("EMBERGATE_PROFILE", profile.path);
    export_variable("EMBERGATE_ENDPOINT", profile.endpoint);
    export_variable("EMBERGATE_CA", profile.ca);
    if (profile.ca[0]) {
        puts("# curl and OpenSSL; Python (requests, Azure SDKs); Java");
        export_variable("CURL_CA_BUNDLE", profile.ca);
        export_variable("SSL_CERT_FILE", profile.ca);
        export_variable("REQUESTS_CA_BUNDLE", profile.ca);
        const char *slash = strrchr(profile.ca, '/');
        (void)snprintf(java, sizeof java, "-Djavax.net.ssl.trustStore=%.*s/trust.jks -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit",
                       slash ? (int)(slash - profile.ca) : 1, slash ? profile.ca : ".");
        export_variable("JAVA_TOOL_OPTIONS", java);
    }
    puts("# azure-identity: ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, secret, authority=AZURE_AUTHORITY_HOST,");
    puts("#   disable_instance_discovery=True); the secret stands in the profile");
    export_variable("AZURE_AUTHORITY_HOST", profile.endpoint);
    export_variable("AZURE_TENANT_ID", profile.tenant);
    export_variable("AZURE_CLIENT_ID", profile.client_id);
    eg_profile_done(&profile);
    return EG_EXIT_OK;
}

int eg_cli_token_command(int argc, char **argv) {
    const char *audience = "gateway";
    if (!take_profile(argc, argv, &audience)) {
        return eg_cli_usage("token", "an option or argument is unknown");
    }
    bool storage = strcmp(audience, "storage") == 0;
    if (!storage && strcmp(audience, "gateway") != 0) {
        return eg_cli_usage("token", "--audience is 'gateway' or 'storage'");
    }
    eg_problem p = {0};
    eg_profile profile;
    EG_CLEANUP(eg_buf_done) eg_buf token = {0};
    if (eg_profile_load(eg_cli_profile_path(), &profile, &p) != EG_OK ||
        eg_cli_token(&profile, storage ? EG_CLI_STORAGE : EG_CLI_GATEWAY, &token, &p) != EG_OK) {
        return eg_cli_complain(&p);
    }
    puts(token.ptr);
    eg_cleanse(token.ptr, token.len);
    eg_profile_done(&profile);
    return EG_EXIT_OK;
}
