package weave.rbac.exec_test

import data.weave.rbac.exec

prohibited := {"resources": ["pods/exec", "pods/attach"]}

test_ways_into_a_pod if {
	every resource in ["pods/exec", "pods/attach", "pods/*", "*/exec", "*"] {
		exec.enters(resource) with input.parameters as prohibited
	}
}

test_other_resources if {
	every resource in ["pods", "pods/log", "*/log", "nodes/exec", "exec"] {
		not exec.enters(resource) with input.parameters as prohibited
	}
}
