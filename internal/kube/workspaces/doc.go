// Package workspaces brings the objects that package tenancy generates into a cluster, tells what differs, and tries a
// tenant's walls from inside.
//
// What it applies carries an inventory label and annotation: only such objects are ever removed.
package workspaces
