// Package agent is the process in the cluster: it watches policies, keeps a compiled snapshot of them, serves the
// gates, keeps their registration and certificates, and writes statuses.
package agent
