// Package attacks is the catalogue of ways out of a workspace: manifests that a tenant could commit, each with what must
// refuse it, and honest manifests that must pass.
//
// Tests judge the catalogue by the generated policies; `assay tenants verify` tries it, as a dry run, against a cluster.
package attacks
