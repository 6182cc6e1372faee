/* The built-in definitions of roles and of Azure Policy, as bytes of builtin_roles.json and builtin_rules.json. */
#ifndef EMBERGATE_POLICIES_BUILTIN_H
#define EMBERGATE_POLICIES_BUILTIN_H

extern const unsigned char eg_policy_builtin_roles[];
extern const unsigned long eg_policy_builtin_roles_len;
extern const unsigned char eg_policy_builtin_rules[];
extern const unsigned long eg_policy_builtin_rules_len;

#endif
