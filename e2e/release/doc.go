// Package release installs Assay from its Helm chart as a user of Helm does: with hooks, waits and releases that are kept
// in the cluster.
package release
