// Package rego compiles and evaluates policies written in Rego.
//
// A policy is parsed as Rego v1 and, where that fails, as v0; compiled by OPA; planned into OPA's intermediate
// representation (package ir); and lowered into Go closures with the parameters baked in, so that one evaluation is
// function calls over values that OPA's own built-ins understand. What cannot be planned is evaluated by OPA's
// interpreter instead.
package rego
