// Package policytest runs the tests of policies: cases that say what a policy must find in an object, and the unit tests
// that people write in Rego.
//
// Cases are judged by the engine, as every gate does it. docs/testing-policies.md tells how to write them.
package policytest
