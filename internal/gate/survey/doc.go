// Package survey is audit from outside: it reads a cluster once, with the rights of whoever asks and nothing installed, and reports
// what the policies find in its objects, as package check does for a Git tree.
package survey
