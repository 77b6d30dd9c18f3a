// Package library holds the policies that ship. Each has a folder of its own: policy.yaml, and its tests in tests/, which
// `assay test library` runs.
package library

import "embed"

//go:generate go test -run ^TestTheIndexOfPoliciesIsCurrent$ -update .

// FS has the policy.yaml of every policy, below the name of its folder.
//
//go:embed */policy.yaml
var FS embed.FS
