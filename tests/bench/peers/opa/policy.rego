# The roles and rules of the benchmark, as one would write them for OPA: assignments by scope and principal, roles with their actions
# written out, so that a decision looks up and doesn't search.
package bench

default allow := false

allow if {
	some scope in input.scopes
	some principal, roles in data.assignments[scope]
	input.principals[principal]
	some role in roles
	data.roles[role][input.action]
}

default connect := true

connect := false if {
	some rule in data.rules
	rule.port == input.port
	net.cidr_contains(rule.source, input.source)
}
