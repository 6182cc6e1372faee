/* Refuses the parts of YAML that a configuration has no use for, before a tree is built. */
#include "config_load.h"

#include <yaml.h>

static bool is_start(yaml_event_type_t t) { return t == YAML_MAPPING_START_EVENT || t == YAML_SEQUENCE_START_EVENT; }
static bool is_end(yaml_event_type_t t) { return t == YAML_MAPPING_END_EVENT || t == YAML_SEQUENCE_END_EVENT; }

static bool has_anchor(const yaml_event_t *e) {
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor != NULL;
    default:
        return false;
    }
}

static bool has_tag(const yaml_event_t *e) {
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.tag != NULL;
    default:
        return false;
    }
}

static eg_err check_event(const eg_config_source *s, const yaml_event_t *e, size_t *depth, size_t *documents) {
    size_t line = e->start_mark.line + 1;
    if (has_anchor(e)) {
        return eg_config_fail(s, line, "Anchors and aliases (& and *) are not accepted: write the value itself.");
    }
    if (has_tag(e)) {
        return eg_config_fail(s, line, "Tags (!) are not accepted: write the value itself.");
    }
    if (e->type == YAML_DOCUMENT_START_EVENT && ++*documents > 1) {
        return eg_config_fail(s, line, "The file has a second document; expected one.");
    }
    if (is_start(e->type) && ++*depth > EG_CONFIG_DEPTH_MAX) {
        return eg_config_fail(s, line, "The file is nested deeper than %d levels.", EG_CONFIG_DEPTH_MAX);
    }
    if (is_end(e->type)) {
        --*depth;
    }
    return EG_OK;
}

eg_err eg_config_prescan(const eg_config_source *s, eg_str yaml) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return EG_ERR_NO_MEMORY;
    }
    eg_bytes text = eg_str_bytes(yaml);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    size_t depth = 0;
    size_t documents = 0;
    bool end = false;
    eg_err e = EG_OK;
    while (e == EG_OK && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            e = eg_config_fail(s, parser.problem_mark.line + 1, "The file is not valid YAML: %s.",
                               parser.problem ? parser.problem : "it cannot be read");
            break;
        }
        e = check_event(s, &event, &depth, &documents);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e;
}
