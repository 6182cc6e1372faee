/* The built-in role definitions, as bytes of builtin_roles.json. */
#ifndef EMBERGATE_POLICIES_BUILTIN_H
#define EMBERGATE_POLICIES_BUILTIN_H

extern const unsigned char eg_policy_builtin_roles[];
extern const unsigned long eg_policy_builtin_roles_len;

#endif
