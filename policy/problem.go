package policy

import "fmt"

// ProblemKind says which part of the work failed.
type ProblemKind string

// The kinds of problems.
const (
	// LoadProblem: a file could not be read or parsed.
	LoadProblem ProblemKind = "load"
	// RenderProblem: a kustomization or a chart could not be built.
	RenderProblem ProblemKind = "render"
	// PolicyProblem: a policy, set, config or exception is not valid or does not compile.
	PolicyProblem ProblemKind = "policy"
	// EvaluationProblem: a policy failed on an object.
	EvaluationProblem ProblemKind = "evaluation"
)

// Problem is why something was not judged, or (see Warning) may have been judged otherwise than its author meant.
type Problem struct {
	Kind ProblemKind
	// Location of the cause, as near as known; File may be empty.
	Location Location
	// Message says what went wrong, without the location.
	Message string
	// Hint says what to do; may be empty.
	Hint string
	// Excerpt is the offending source with a caret, where the cause is not a line of a file below the root (as in the
	// code of a policy); may be empty, may have several lines.
	Excerpt string
	// Warning says that nothing was left out because of the problem, as with a PolicyConfig for a policy that does not
	// exist: it is shown, but the work is done all the same.
	Warning bool
}

// CodeError is why the rule of a policy does not compile, or where it failed on an object.
type CodeError struct {
	// Field of the policy that holds the code, such as spec.code or spec.cel.validations[0].expression.
	Field string
	// Line and Column in the code, counted from 1; zero when unknown.
	Line, Column int
	// Message of the compiler or the evaluation, without the position.
	Message string
	// Excerpt is the offending line of the code with a caret line below it; may be empty.
	Excerpt string
}

// Error is "spec.code:3:5: message".
func (e *CodeError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Field, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Field, e.Line, e.Column, e.Message)
}
