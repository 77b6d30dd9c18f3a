// Package catalog gathers the policies that a run works with (those that ship, those in files) together with the sets,
// configs and exceptions that belong to them, and settles what happens when one name occurs twice.
package catalog
