// Package live reads what the hub's own cluster holds now: policies and what goes with them, and the workspaces of tenants.
//
// It keeps no watch open: what is asked for often is read again when it is older than a few seconds, so that a cluster that is away for a while,
// or has no policies at all yet, is a matter of one answer and not of the process.
package live
