// Package cel compiles and evaluates policies whose rule is written in the Common Expression Language (spec.cel).
//
// Expressions are those of ValidatingAdmissionPolicy: the same libraries, variables, types and cost limits, so that an
// expression yields here what it yields in an API server. Two things are added, both told in docs/policies-cel.md: the
// variable workload, by which one policy serves every kind that contains a pod, and validations that yield any number
// of occurrences, each with its path and the value that would be right.
//
// A Compiler is made once, a Program once per policy, an Input once per object:
//
//	compiler, err := cel.NewCompiler()
//	program, err := compiler.Compile(policy)
//	input := compiler.NewInput(request)
//	applies, occurrences, err := program.Evaluate(ctx, input, parameters)
package cel
